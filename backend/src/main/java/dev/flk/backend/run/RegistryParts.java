// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.inbox.ArchiveCare;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.LogEntry.Figures;
import dev.flk.backend.logs.LogRegistry;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.stores.StoreUnavailableException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** This backend's part in the registry of logs: it reports its own log, and watches the others of its store. */
final class RegistryParts {
    private final Logs logs;
    private final Supplier<Figures> figures;

    /** The parts that the entry of this backend needs besides the log; null until they are open. */
    private volatile @Nullable CertificateParts certificates;

    private static final long ASK_AGAIN_MILLIS = 1_000;
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.logs");

    /** Opens the view of the others; {@link #start} must follow. */
    RegistryParts(
            Common common,
            LogRegistry registry,
            Inbox inbox,
            BooleanSupplier ownsLog,
            String version,
            Supplier<Figures> figures) {
        this.figures = figures;
        BackendConfig config = common.config();
        long startedMillis = common.clock().millis();
        String address = CopyParts.host() + ":" + config.http().port();
        Duration ttl = config.inbox().dedupTtl();
        Duration retention = config.inbox().walRetention();
        this.logs = common.parts()
                .opened(new Logs(
                        registry,
                        () -> own(common, inbox, address, version, startedMillis),
                        ownsLog,
                        ttl.compareTo(retention) > 0 ? ttl : retention,
                        common.clock(),
                        System::nanoTime,
                        common.metrics().logs,
                        common.audit()));
    }

    private LogEntry own(Common common, Inbox inbox, String address, String version, long startedMillis) {
        CertificateParts opened = certificates;
        return new LogEntry(
                inbox.logId(),
                common.config().logName(),
                common.instance(),
                address,
                version,
                common.config().policy().hash(),
                opened == null ? "" : opened.signatures().version(),
                startedMillis,
                common.clock().millis(),
                inbox.last(),
                opened == null
                        ? 0
                        : opened.archive().map(ArchiveCare::archivedUpTo).orElse(0L),
                false,
                false,
                figures.get());
    }

    /** Starts to report this backend's log, and to watch the others. */
    void start(CertificateParts opened) {
        certificates = opened;
        logs.start();
    }

    Logs logs() {
        return logs;
    }

    /**
     * Refuses to start a new log by accident, although the store has the outcomes of a log of this name, or an archive
     * may have one. Called if WAL_DIR has no log. Blocks until the registry has answered.
     *
     * @throws IOException if a new log is refused; the message names the log and the choices
     */
    static void requireNoLostLog(BackendConfig config, ConfiguredStore store, LogRegistry registry) throws IOException {
        Optional<String> embedded = store.logId();
        if (embedded.isPresent()) {
            throw lost(config, "but DEDUP_DIR has the outcomes of the log " + embedded.get());
        }
        if (store.isDamaged()) {
            throw lost(config, "but DEDUP_DIR has a damaged store, which may have the outcomes of a log");
        }
        for (LogEntry entry : known(config, registry)) {
            if (entry.name().equals(config.logName()) && !entry.forgotten()) {
                throw lost(
                        config,
                        "but the store knows the log " + entry.logId() + " as " + entry.name() + ", with "
                                + entry.last() + " records"
                                + (entry.archivedUpTo() == 0
                                        ? ""
                                        : ", of which " + entry.archivedUpTo() + " were archived")
                                + ": " + entry.owner());
            }
        }
        if (config.inbox().archiveCommand().isPresent() && config.copy().isEmpty()) { // a copy would have had the log
            throw new IOException(noLog(config)
                    + "and WAL_ARCHIVE_COMMAND is set: the log may be lost, and in the archive. Restore it with"
                    + " 'flk-backend wal restore --from ARCHIVE', or bring its disk back; if this backend is new, begin"
                    + " its log with 'flk-backend wal init --new'");
        }
    }

    private static IOException lost(BackendConfig config, String what) {
        return new IOException(noLog(config) + what
                + ". Bring its disk back; or restore it with 'flk-backend wal restore --from ARCHIVE'; or start a new log"
                + " with 'flk-backend wal init --new'"
                + (config.store().isShared() ? "; if another backend has that log, set another LOG_NAME" : ""));
    }

    private static String noLog(BackendConfig config) {
        return "WAL_DIR, " + config.inbox().walDir() + ", has no log, ";
    }

    private static List<LogEntry> known(BackendConfig config, LogRegistry registry) throws IOException {
        String reported = "";
        while (true) {
            try {
                return List.copyOf(registry.update(List.of()).values());
            } catch (StoreUnavailableException e) {
                String cause = String.valueOf(e.getMessage());
                if (!cause.equals(reported)) {
                    LOG.error(
                            "Error reaching {}: {}. WAL_DIR, {}, has no log, and the store may know one as {}, so the"
                                    + " start waits for it; 'flk-backend wal init --new' begins a new log without asking",
                            config.store() instanceof StoreConfig.Redis ? "Redis" : "Postgres",
                            cause,
                            config.inbox().walDir(),
                            config.logName());
                    reported = cause;
                }
            }
            try {
                Thread.sleep(ASK_AGAIN_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("the start was interrupted while it waited for the store", e);
            }
        }
    }
}
