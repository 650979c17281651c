// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import dev.flk.program.diagnostics.DiagnosticsArchive.Filler;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The part of the command {@code diagnostics} that all programs share: the options, and the addition of log files. */
public abstract class DiagnosticsCommand implements Callable<Integer> {
    private static final int MOST_LOG_MIB = 64;

    /** A client for the pages of the running program. */
    protected final LocalHttpClient client = new LocalHttpClient(Duration.ofSeconds(10));

    private final String program;

    @Option(
            names = "--output",
            paramLabel = "FILE",
            description =
                    "The archive to create (default: a file in this directory, named after the program and time).")
    private @Nullable Path output;

    @Option(names = "--log", paramLabel = "FILE", description = "A log file to include; may be repeated.")
    private List<Path> logs = List.of();

    @Option(
            names = "--log-mib",
            paramLabel = "N",
            description = "MiB to include from the end of each log file (default: ${DEFAULT-VALUE}).")
    private int logMib = 8;

    @Option(
            names = "--add",
            paramLabel = "FILE",
            description = "An archive of another program to include, in a directory named after the file; may be"
                    + " repeated.")
    private List<Path> others = List.of();

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** @param program the name of the program, such as {@code flk-agent} */
    protected DiagnosticsCommand(String program) {
        this.program = program;
    }

    @Override
    public final Integer call() throws IOException {
        if (logMib < 1 || logMib > MOST_LOG_MIB) {
            throw new ParameterException(spec.commandLine(), "--log-mib must be a number from 1 to " + MOST_LOG_MIB);
        }
        spec.commandLine().getOut().print(write());
        spec.commandLine().getOut().flush();
        return ExitCode.OK;
    }

    /** Writes the archive with {@link #write(Instant, Collection, Filler)} and returns its summary. */
    protected abstract String write() throws IOException;

    /**
     * Writes the archive.
     *
     * @param secrets the secrets to remove
     * @param filler adds all entries except the log files and those of archives that {@code --add} names
     * @return a summary for people
     */
    protected final String write(Instant now, Collection<String> secrets, Filler filler) throws IOException {
        Path file = output == null ? DiagnosticsArchive.nameFor(program, now) : output;
        return DiagnosticsArchive.write(file, now, new Scrubber(secrets), archive -> {
            filler.fill(archive);
            for (int i = 0; i < logs.size(); i++) {
                archive.addLog(i + 1, logs.get(i), logMib << 20);
            }
            for (Path other : others) {
                archive.addArchive(other);
            }
        });
    }
}
