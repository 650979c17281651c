// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.config.BackendConfig.LogRules;
import dev.flk.backend.copy.CopyConfig;
import dev.flk.backend.copy.CopyReading;
import dev.flk.backend.feed.FeedConfig;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.InboxDirectory;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.operate.health.RegisteredLogs;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Table;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.wal.Log;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogRepair;
import dev.flk.wal.LogRestore;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LogLockedException;
import dev.flk.wal.segment.Damage;
import java.io.Closeable;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;

/** The options that the commands about the log share: the log's directory and the form of the output. */
final class WalSource {
    /** The beginning of the names of segments in the log of {@code flk-state}. */
    private static final String STATE_LOG_PREFIX = "state";

    private final Configuration config;
    private final Function<CopyConfig, CopyReading> copies;

    @Option(
            names = "--dir",
            scope = ScopeType.INHERIT,
            paramLabel = "DIR",
            description = "Directory of the log (default: WAL_DIR of the configuration).")
    @Nullable
    Path dir;

    @Option(names = "--json", scope = ScopeType.INHERIT, description = "Print one JSON object per line.")
    boolean json;

    WalSource(Configuration config) {
        this(config, CopyReading::new);
    }

    /** @param copies opens the copy with these settings */
    WalSource(Configuration config, Function<CopyConfig, CopyReading> copies) {
        this.config = config;
        this.copies = copies;
    }

    /** Returns the output of a command in the form that {@code --json} selects. */
    Output output(CommandSpec command) {
        return new Output(command.commandLine().getOut()::print, json);
    }

    Path directory() {
        return dir == null ? config.read(BackendConfig::walDirectory) : dir;
    }

    /**
     * Returns the prefix of the names of segments: the prefix of the state's log if the directory contains that log,
     * otherwise the prefix of the inbox log.
     */
    private String prefix() {
        return Files.exists(directory().resolve(STATE_LOG_PREFIX + ".id")) ? STATE_LOG_PREFIX : Inbox.SEGMENT_PREFIX;
    }

    /**
     * Returns an inspector of this log.
     *
     * @throws IOException if a restore into the directory was interrupted
     */
    LogInspector inspector() throws IOException {
        LogRestore.requireFinished(new DiskFiles(), directory(), prefix());
        return new LogInspector(new DiskFiles(), directory(), prefix());
    }

    /** Returns whether the directory belongs to the inbox log, and not to the state's. */
    boolean isInbox() {
        return prefix().equals(Inbox.SEGMENT_PREFIX);
    }

    /** Returns the copy of this log in Kafka; empty if the configuration has none, or this is the state's log. */
    Optional<CopyReading> copy() {
        if (!isInbox()) {
            return Optional.empty();
        }
        Optional<CopyConfig> copy = config.read(BackendConfig::logCopy);
        if (copy.isPresent()) {
            Configuration.logOnlyErrors(LogConfig.Format.TEXT);
        }
        return copy.map(copies);
    }

    /** Returns the configuration for repeating events of this log to a topic that does not belong to the feed. */
    FeedConfig feedTo(String topic) {
        FeedConfig feed = config.read((environment, file) -> BackendConfig.feedTo(environment, file, topic));
        Configuration.logOnlyErrors(LogConfig.Format.TEXT);
        return feed;
    }

    /** Returns an object that repairs this log. */
    LogRepair repair() {
        return new LogRepair(new DiskFiles(), directory(), prefix(), holder());
    }

    /** Returns access to the directory of the inbox log while no backend uses it. */
    InboxDirectory inbox() {
        return new InboxDirectory(new DiskFiles(), directory(), new SecureRandom(), holder());
    }

    /**
     * Returns the last sequence that the registry of a shared store has for a log; 0 if it has none, or no complete
     * configuration names a shared store.
     *
     * @param positionId the id of the log in the store
     * @throws IOException if the store can't be asked
     */
    long usedUpTo(String positionId) throws IOException {
        Optional<BackendConfig> known;
        try {
            known = config.read(BackendConfig::loadIfAny);
        } catch (InvalidConfig e) {
            return 0; // only the directory is configured
        }
        if (known.isEmpty()) {
            return 0;
        }
        Configuration.logOnlyErrors(LogConfig.Format.TEXT);
        return RegisteredLogs.usedUpTo(known.get(), positionId);
    }

    /** Returns the name by which lock files identify this process. */
    static String holder() {
        return "'" + CommandLineProgram.NAME + " wal', process "
                + ProcessHandle.current().pid();
    }

    /** Locks the log as a backend does. If another process holds the lock, the error ends with {@code advice}. */
    Closeable lock(String advice) throws IOException {
        try {
            return new DiskFiles().lock(directory().resolve(Log.LOCK_FILE), holder());
        } catch (LogLockedException e) {
            throw inUse(e, advice);
        }
    }

    /** Returns an error that ends with {@code advice} and names the process that holds the log. */
    IOException inUse(LogLockedException locked, String advice) {
        return new IOException(directory() + " is in use by " + locked.holder() + "; " + advice, locked);
    }

    /** Throws unless the directory contains a log. */
    void requireLog() throws IOException {
        if (inspector().isEmpty()) {
            throw nothingThere();
        }
    }

    /** Returns the policy, {@code DEDUP_TTL} and {@code WAL_RETENTION} of the configuration. */
    LogRules rules() {
        return config.read((environment, file) -> BackendConfig.logRules(environment, file, List.of()));
    }

    /**
     * Returns the same settings as {@link #rules()}, after replacing numbers of the policy.
     *
     * @param tried the replacements, such as {@code TOL_D=0.20}
     */
    LogRules rules(List<String> tried) {
        return config.read((environment, file) -> BackendConfig.logRules(environment, file, tried));
    }

    /** Returns the error for a directory without segments, which is most likely the wrong directory. */
    IOException nothingThere() {
        return new IOException(
                "there are no segments in " + directory() + "; name the log's directory with --dir or WAL_DIR");
    }

    /** Returns the layout of a table of missing records. */
    static Table<Damage> damages(String heading) {
        return new Table<Damage>()
                .left(heading, WalSource::sequences)
                .left("SEGMENT", Damage::segment)
                .right("DAMAGED AT BYTE", damage -> damage.kind() == Damage.Kind.ABSENT ? "missing" : damage.offset());
    }

    /**
     * Returns the missing sequences, such as {@code 4} or {@code 4 to 6}; {@code unknown} if the number of missing
     * records is not known.
     */
    static String sequences(Damage damage) {
        return damage.missing() == 0 ? "unknown" : damage.range().replaceFirst("records? ", "");
    }

    /** Returns the number of missing records, such as {@code 3 records} or {@code at least 3 records}. */
    static String records(List<Damage> damages) {
        long known = damages.stream().mapToLong(Damage::missing).sum();
        boolean isUnknown = damages.stream().anyMatch(damage -> damage.missing() == 0);
        if (isUnknown && known == 0) {
            return "an unknown number of records";
        }
        return (isUnknown ? "at least " : "") + ErrorMessages.count(known, "record");
    }

    /** Prints each damage that begins at or before the sequence {@code to}, and returns the exit code. */
    static int report(List<Damage> damages, long to, PrintWriter err) {
        List<Damage> within =
                damages.stream().filter(damage -> damage.firstMissing() <= to).toList();
        within.forEach(damage -> err.println(CommandLineProgram.NAME + ": " + damage.describe()));
        return within.isEmpty() ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    /** Throws unless {@code from} to {@code to} is a valid range of sequences. */
    static void checkRange(CommandLine command, long from, long to) {
        if (from < 1 || to < from) {
            throw new ParameterException(
                    command, "--from and --to: sequences count from 1, and the first must not be after the last");
        }
    }

    /** The JSON form of a range of lost records. */
    record Lost(Damage.Kind kind, String segment, long offset, long firstLost, long lastLost) {
        Lost(Damage of) {
            this(of.kind(), of.segment(), of.offset(), of.firstMissing(), of.lastMissing());
        }
    }
}
