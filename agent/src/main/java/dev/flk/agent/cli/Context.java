// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.program.cli.InertWriter;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Terminal.RewrittenLine;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Quantities;
import dev.flk.program.logging.LogOutput;
import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The environment of a command: its streams (in UTF-8, regardless of the locale), the environment variables, and the
 * option {@code --config}, which all commands share.
 */
final class Context {
    private static final int COLUMNS = 80;
    private final Map<String, String> environment;
    private final InputStream in;
    private final PrintWriter out;
    private final PrintWriter err;
    private final PrintStream errors;
    private @Nullable Path configFile;
    private boolean watched;

    Context(Map<String, String> environment, InputStream in, PrintStream out, PrintStream err) {
        this.environment = environment;
        this.in = in;
        this.out = InertWriter.to(out);
        this.err = InertWriter.to(err);
        this.errors = err;
    }

    void configFile(Path file) {
        configFile = file;
    }

    /** Opens a file; returns standard input for the name {@code -}. The message of a failure names the file. */
    InputStream open(String name) throws IOException {
        if (name.equals("-")) {
            return in;
        }
        if (name.isEmpty()) {
            throw new UsageError("the name of the file is empty");
        }
        Path path = Path.of(name);
        if (Files.isDirectory(path)) {
            throw new IOException(name + " is a directory; name a file");
        }
        try {
            // opens a pipe with FileInputStream: a stream of java.nio would set a position, which fails on a pipe
            return Files.exists(path) && !Files.isRegularFile(path)
                    ? new FileInputStream(name)
                    : new BufferedInputStream(Files.newInputStream(path));
        } catch (NoSuchFileException e) {
            throw new IOException("there is no file " + name, e);
        } catch (IOException e) {
            throw new IOException("cannot read " + name + ": " + e.getMessage(), e);
        }
    }

    PrintWriter out() {
        return out;
    }

    PrintWriter err() {
        return err;
    }

    /** Records that standard error is a terminal. */
    void watched() {
        watched = true;
    }

    /** Returns whether standard error is a terminal. */
    boolean isWatched() {
        return watched;
    }

    /** Returns the line for progress. */
    RewrittenLine rewrittenLine() {
        return new RewrittenLine(watched ? errors::print : null);
    }

    /** Prints a text to standard output, wrapped at 80 columns. All lines but the first are indented. */
    void say(String text) {
        out.println(at80(text, 4));
    }

    /** Returns the output of a command. {@code json} is the value of the command's option {@code --json}. */
    Output output(boolean json) {
        return new Output(out::print, json);
    }

    /**
     * Prints a problem to standard error. The text is wrapped at 80 columns on a terminal; otherwise it is on one line,
     * for log files.
     */
    void complain(String text) {
        String line = "flk-agent: " + Printable.of(text);
        err.println(watched ? at80(line, 4) : line);
    }

    /**
     * Returns the configuration together with its problems, for the archive of {@code diagnostics}. Does not throw if
     * the configuration is invalid.
     */
    Diagnosed<AgentConfig> diagnosedConfig() {
        return AgentConfig.diagnose(environment, configFile);
    }

    /**
     * Returns another instance of the program with the same settings. The instance prints its output and its errors to
     * {@code otherOut}.
     */
    FlkAgent again(InputStream otherIn, PrintStream otherOut) {
        FlkAgent agent = new FlkAgent(environment, otherIn, otherOut, otherOut);
        if (configFile != null) {
            agent.config(configFile);
        }
        return agent;
    }

    /** Reads the configuration, and applies its log settings to this process. */
    AgentConfig config(Need... needs) throws InvalidConfig {
        Set<Need> needed = EnumSet.noneOf(Need.class);
        needed.addAll(Arrays.asList(needs));
        AgentConfig config = AgentConfig.load(environment, configFile, needed);
        LogOutput.configure(config.log(), FlkAgent.LOG_STYLE);
        return config;
    }

    /** Parses the value of an option as a time, or as an age, by this machine's clock. */
    static Instant time(String option, String text) {
        try {
            return Character.isDigit(text.charAt(text.length() - 1)) || text.endsWith("Z")
                    ? Instant.parse(text)
                    : Instant.now().minus(Quantities.duration(text));
        } catch (DateTimeException | IllegalArgumentException | IndexOutOfBoundsException e) {
            throw new UsageError(
                    option + " is \"" + text + "\"; write a time such as 2026-11-20T08:00:00Z, or an age such as 2d",
                    e);
        }
    }

    /** Parses the value of an option as a duration. */
    static Duration duration(String option, String text) {
        try {
            return Quantities.duration(text);
        } catch (IllegalArgumentException e) {
            throw new UsageError(option + ": the value is " + e.getMessage(), e);
        }
    }

    /**
     * Wraps a text at its spaces for a terminal of 80 columns. A word without spaces, such as a path, is never broken,
     * because users copy it (picocli's own tables break a path at its dots). Lines after the first are indented.
     */
    static String at80(String text, int indent) {
        StringBuilder wrapped = new StringBuilder();
        int column = -1;
        for (String word : text.split(" ", -1)) {
            int width = word.codePointCount(0, word.length());
            if (column + 1 + width > COLUMNS && column > indent) {
                wrapped.append(System.lineSeparator()).append(" ".repeat(indent));
                column = indent;
            } else if (column >= 0) {
                wrapped.append(' ');
                column++;
            } else {
                column = 0;
            }
            wrapped.append(word);
            column += width;
        }
        return wrapped.toString();
    }
}
