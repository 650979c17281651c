// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.program.cli.Printable;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.LogOutput;
import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The surroundings of a command: its streams, in UTF-8 whatever the locale, the environment, and the options of all commands. */
final class Context {
    private static final int COLUMNS = 80;
    private final Map<String, String> environment;
    private final InputStream in;
    private final PrintStream out;
    private final PrintStream err;
    private @Nullable Path configFile;
    private Optional<PrintStream> terminal = Optional.empty();

    Context(Map<String, String> environment, InputStream in, PrintStream out, PrintStream err) {
        this.environment = environment;
        this.in = in;
        this.out = out;
        this.err = err;
    }

    void configFile(Path file) {
        configFile = file;
    }

    /** Opens a file, or with {@code -} standard input; the message of a failure names the file. */
    InputStream open(String name) throws IOException {
        if (name.equals("-")) {
            return in;
        }
        Path path = Path.of(name);
        if (Files.isDirectory(path)) {
            throw new IOException(name + " is a directory; name a file");
        }
        try {
            // a pipe can't be positioned, which the stream of java.nio tries
            return Files.exists(path) && !Files.isRegularFile(path)
                    ? new FileInputStream(name)
                    : new BufferedInputStream(Files.newInputStream(path));
        } catch (NoSuchFileException e) {
            throw new IOException("there is no file " + name, e);
        } catch (IOException e) {
            throw new IOException("cannot read " + name + ": " + e.getMessage(), e);
        }
    }

    PrintStream out() {
        return out;
    }

    PrintStream err() {
        return err;
    }

    /** Standard error is a terminal. */
    void watched() {
        terminal = Optional.of(err);
    }

    /** Where to show progress; empty if standard error is no terminal. */
    Optional<PrintStream> terminal() {
        return terminal;
    }

    /** Says something to people, at 80 columns; what does not fit into a line goes on under it, indented. */
    void say(String text) {
        out.println(at80(text, 4));
    }

    /** Says on standard error what is wrong: on a terminal at 80 columns, elsewhere, as in a journal, on one line. */
    void complain(String text) {
        String line = "flk-agent: " + Printable.of(text);
        err.println(terminal.isPresent() ? at80(line, 4) : line);
    }

    /** The configuration to be shown to others, whatever is wrong with it. */
    AgentConfig.Diagnosed diagnosedConfig() {
        return AgentConfig.diagnose(environment, configFile);
    }

    /** The program again, with the same settings, printing all to one stream. */
    FlkAgent again(InputStream otherIn, PrintStream otherOut) {
        FlkAgent agent = new FlkAgent(environment, otherIn, otherOut, otherOut);
        if (configFile != null) {
            agent.config(configFile);
        }
        return agent;
    }

    /** Reads the configuration and sets logging up by it. */
    AgentConfig config(Need... needs) throws InvalidConfig {
        Set<Need> needed = EnumSet.noneOf(Need.class);
        needed.addAll(Arrays.asList(needs));
        AgentConfig config = AgentConfig.load(environment, configFile, needed);
        LogOutput.configure(config.log(), FlkAgent.LOG_STYLE);
        return config;
    }

    /**
     * Breaks a text for a terminal of 80 columns, at spaces; what has none in it, a path say, stays in one piece. The lines behind the first
     * are indented.
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
