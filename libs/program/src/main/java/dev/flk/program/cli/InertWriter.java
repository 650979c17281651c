// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionStrategy;
import picocli.CommandLine.RunLast;

/**
 * The output of all commands, on which no text can control the terminal: unprintable characters are {@linkplain
 * Printable#escaped escaped}, wherever the text comes from. Commands print to nothing else. A line feed is printed, so a
 * command that prints one foreign text per line also needs {@link Printable#of}.
 */
public final class InertWriter extends Writer {
    private final Consumer<String> to;
    private final BooleanSupplier flush;
    /** The first half of a character whose second half has not been written yet; otherwise empty. */
    private String half = "";

    /** @param flush flushes what was written, and returns whether a write has failed */
    private InertWriter(Consumer<String> to, BooleanSupplier flush) {
        this.to = to;
        this.flush = flush;
    }

    /** Returns a writer that writes to {@code stream}, and buffers nothing. */
    public static PrintWriter to(PrintStream stream) {
        return new PrintWriter(new InertWriter(stream::print, stream::checkError));
    }

    /** Returns a writer that writes to {@code writer}, and buffers nothing. */
    public static PrintWriter to(PrintWriter writer) {
        return new PrintWriter(new InertWriter(writer::print, writer::checkError));
    }

    /**
     * Returns a strategy that runs a command with {@code out} as its output. Help, which has colors on a terminal, is
     * printed to the output of the program.
     */
    public static IExecutionStrategy strategy(PrintWriter out) {
        return parsed -> {
            Integer help = CommandLine.executeHelpRequest(parsed);
            if (help != null) {
                return help;
            }
            parsed.commandSpec().root().commandLine().setOut(out);
            return new RunLast().execute(parsed);
        };
    }

    @Override
    public void write(char[] chars, int offset, int length) {
        String text = half + new String(chars, offset, length);
        int end = text.length() - 1;
        half = end >= 0 && Character.isHighSurrogate(text.charAt(end)) ? text.substring(end) : "";
        to.accept(Printable.escaped(text.substring(0, text.length() - half.length())));
    }

    @Override
    public void flush() throws IOException {
        if (flush.getAsBoolean()) {
            throw new IOException("a write has failed");
        }
    }

    @Override
    public void close() throws IOException {
        flush();
    }
}
