// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A stream to standard output that remembers the first failed write, because {@link java.io.PrintStream} and {@link
 * java.io.PrintWriter} hide it. Not safe for several threads; both of these classes synchronize their writes.
 */
public final class StandardOutput extends OutputStream {
    /** The text with which the JDK reports a write to a pipe whose reader has ended. */
    private static final String BROKEN_PIPE = "Broken pipe";

    private final OutputStream out;
    private @Nullable IOException failure;

    public StandardOutput() {
        this(new FileOutputStream(FileDescriptor.out));
    }

    StandardOutput(OutputStream out) {
        this.out = out;
    }

    @Override
    public void write(int oneByte) throws IOException {
        write(new byte[] {(byte) oneByte}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) throws IOException {
        try {
            out.write(bytes, offset, length);
        } catch (IOException e) {
            if (failure == null) {
                failure = e;
            }
            throw e;
        }
    }

    /**
     * Returns the exit code of a program whose command ended with {@code exitCode}, after all output was flushed to
     * this stream. If the command succeeded but its output could not be written, passes a message to {@code complain}
     * and returns 1. A reader that ends early, such as {@code head}, is not a failure.
     */
    public int exitCode(int exitCode, Consumer<String> complain) {
        IOException first = failure;
        if (exitCode != 0 || first == null || String.valueOf(first.getMessage()).contains(BROKEN_PIPE)) {
            return exitCode;
        }
        complain.accept(
                "standard output could not be written: " + first.getMessage() + "; what was printed is incomplete");
        return 1;
    }
}
