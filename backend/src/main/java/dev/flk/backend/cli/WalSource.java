// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.CommandLineProgram.ConfigOption;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.BackendConfig.LogRules;
import dev.flk.backend.ingest.Inbox;
import dev.flk.wal.Damage;
import dev.flk.wal.DiskFiles;
import dev.flk.wal.Log;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogLockedException;
import dev.flk.wal.LogRepair;
import java.io.Closeable;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;

/** Which log to read and how to print: the options that the commands about the log share. */
final class WalSource {
    private final Map<String, String> environment;
    private final ConfigOption config;

    @Option(
            names = "--dir",
            scope = ScopeType.INHERIT,
            paramLabel = "DIR",
            description = "Directory of the log; without it that of the configuration (WAL_DIR).")
    @Nullable
    Path dir;

    @Option(names = "--json", scope = ScopeType.INHERIT, description = "For programs: one JSON object a line.")
    boolean json;

    WalSource(Map<String, String> environment, ConfigOption config) {
        this.environment = environment;
        this.config = config;
    }

    Path directory() {
        return dir == null ? BackendConfig.walDirectory(environment, config.file) : dir;
    }

    LogInspector inspector() {
        return new LogInspector(new DiskFiles(), directory(), Inbox.SEGMENT_PREFIX);
    }

    /** What repairs it. */
    LogRepair repair() {
        return new LogRepair(new DiskFiles(), directory(), Inbox.SEGMENT_PREFIX, holder());
    }

    /** How this process names itself where it locks a log. */
    static String holder() {
        return "'" + CommandLineProgram.NAME + " wal', process "
                + ProcessHandle.current().pid();
    }

    /** Locks the log, as a backend does; {@code advice} is what to do if a backend runs on it. */
    Closeable lock(String advice) throws IOException {
        try {
            return new DiskFiles().lock(directory().resolve(Log.LOCK_FILE), holder());
        } catch (LogLockedException e) {
            throw inUse(e, advice);
        }
    }

    /** Names the process that holds the log, and what to do. */
    IOException inUse(LogLockedException locked, String advice) {
        return new IOException(directory() + " is in use by " + locked.holder() + "; " + advice, locked);
    }

    /** Throws unless there is a log. */
    void requireLog() throws IOException {
        if (inspector().isEmpty()) {
            throw nothingThere();
        }
    }

    /** The part of the configuration that decisions depend on. */
    LogRules rules() {
        return BackendConfig.logRules(environment, config.file, List.of());
    }

    /** The same with other numbers in the policy, like {@code TOL_D=0.20}. */
    LogRules rules(List<String> tried) {
        return BackendConfig.logRules(environment, config.file, tried);
    }

    /** Most likely the wrong directory was named. */
    IOException nothingThere() {
        return new IOException(
                "there are no segments in " + directory() + "; name the log's directory with --dir or WAL_DIR");
    }

    /** {@code 4}, {@code 4 to 6}. */
    static String sequences(Damage damage) {
        if (damage.missing() == 0) {
            return "unknown";
        }
        return damage.firstMissing() == damage.lastMissing()
                ? String.valueOf(damage.firstMissing())
                : damage.firstMissing() + " to " + damage.lastMissing();
    }

    /** Says what is missing up to the sequence {@code to}; returns the exit code. */
    static int report(List<Damage> damages, long to, PrintWriter err) {
        List<Damage> within =
                damages.stream().filter(damage -> damage.firstMissing() <= to).toList();
        within.forEach(damage -> err.println(CommandLineProgram.NAME + ": " + damage.describe()));
        err.flush();
        return within.isEmpty() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** Where in the file. */
    static String place(Damage damage) {
        return switch (damage.kind()) {
            case BROKEN -> String.valueOf(damage.offset());
            case ABSENT -> "not there";
        };
    }

    /** Throws unless there may be records from {@code from} to {@code to}. */
    static void checkRange(CommandLine command, long from, long to) {
        if (from < 1 || to < from) {
            throw new ParameterException(
                    command, "--from and --to: sequences count from 1, and the first is not behind the last");
        }
    }
}
