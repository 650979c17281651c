// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.keys.ReloadedKeys;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.copy.CopiedLog;
import dev.flk.backend.copy.CopyConfig;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.inbox.ArchiveCare;
import dev.flk.backend.inbox.ArchiveCommand;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.LogCare;
import dev.flk.backend.inbox.SafeEnd;
import dev.flk.backend.ingest.ForcedQueue;
import dev.flk.backend.ingest.IngestPipeline;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.program.config.Key;
import dev.flk.program.metrics.DiskSpace;
import dev.flk.program.parts.OpenedParts;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.time.SteadyClock;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Vanished;
import java.io.IOException;
import java.security.SecureRandom;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The log of certificates, and all that decides about them.
 *
 * @param archive the archive of the log; empty if it has none
 * @param decided the submissions whose outcomes were recorded last, if this backend has a record or a feed
 * @param hasSharedStore whether several backends may share the store of outcomes
 */
record CertificateParts(
        Inbox inbox,
        LogCare care,
        Optional<ArchiveCare> archive,
        Signatures signatures,
        IngestPipeline ingest,
        DecidedQueue decided,
        boolean hasSharedStore) {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    /** Opens the log, which reads and repairs its end. */
    static Inbox openLog(
            BackendConfig config,
            DecisionRules rules,
            SteadyClock steady,
            ConfiguredStore store,
            ForcedQueue forced,
            OpenedParts parts)
            throws IOException {
        long keepFree = config.inbox().walMinFreeBytes();
        return parts.opened(Inbox.open(
                LogOptions.of(config.inbox().walDir(), Inbox.SEGMENT_PREFIX, rules.context())
                        .with(LogSizes.usual()
                                .withSegments(
                                        config.inbox().segmentBytes(),
                                        config.inbox().segmentAge())
                                .withKeepFree(keepFree)),
                keepFree,
                new DiskFiles(),
                steady,
                System::nanoTime,
                new SecureRandom(),
                store::logId,
                forced));
    }

    /** Opens the store, the keys and the pipeline, and starts to decide what the log contains. */
    static CertificateParts open(
            Common common,
            Inbox inbox,
            Optional<CopiedLog> copied,
            DecisionRules rules,
            ConfiguredStore configured,
            ForcedQueue forced,
            Limits limits,
            Logs logs)
            throws IOException {
        GuardedStore store =
                configured.open(inbox.logId(), inbox.isNew(), common.steady().expiry());
        Signatures signatures = signatures(common, logs);
        if (inbox.isNew()) { // the registry knows a log that has records
            store.beforeConnect(() -> logs.register(signatures.version()));
        }
        if (common.config().copy().filter(CopyConfig::isRequired).isEmpty()) { // it has everything that was answered
            Vanished.retry(() -> inbox.restoreNotices(common.steady().millis())).forEach(LOG::warn);
        }
        DecidedQueue decided = new DecidedQueue();
        IngestPipeline pipeline = new IngestPipeline(new IngestPipeline.Wiring(
                inbox,
                forced,
                store,
                new IngestPipeline.Checks(
                        limits, signatures, rules, common.config().maxClockSkew(), logs::ask),
                common.steady(),
                System::nanoTime,
                common.metrics().ingest,
                common.audit(),
                copied.<SafeEnd>map(each -> each).orElse(SafeEnd.ON_DISK),
                logs::isForgotten,
                common.config().record().store().isPresent()
                                || common.config().feed().isPresent()
                        ? decided
                        : unused -> {}));
        IngestPipeline ingest = common.parts().opened(pipeline.open(configured.ready()));
        ingest.start();
        LogCare care = common.parts()
                .opened(new LogCare(
                        inbox,
                        store::sync,
                        ingest::recordedUpTo,
                        new DiskFiles(),
                        common.config().inbox().walRetention(),
                        common.steady()));
        Optional<ArchiveCare> archive = archive(common, inbox);
        archive.ifPresent(each -> care.waitForCopy(each::archivedUpTo));
        copied.ifPresent(each -> care.waitForCopy(each::copiedUpTo));
        common.metrics()
                .ingest
                .watch(common.parts()
                        .opened(DiskSpace.watch(common.config().inbox().walDir())));
        return new CertificateParts(
                inbox,
                care,
                archive,
                signatures,
                ingest,
                decided,
                common.config().store().isShared());
    }

    private static Optional<ArchiveCare> archive(Common common, Inbox inbox) throws IOException {
        Optional<ArchiveCommand> command = common.config().inbox().archiveCommand();
        if (command.isEmpty()) {
            ArchiveCare.forget(inbox, new DiskFiles());
            return Optional.empty();
        }
        Set<String> secrets =
                BackendConfig.KEYS.stream().filter(Key::isSecret).map(Key::name).collect(Collectors.toSet());
        return Optional.of(ArchiveCare.start(
                inbox,
                command.get(),
                secrets,
                new DiskFiles(),
                common.metrics().archive,
                common.clock(),
                ArchiveCare.Limits.USUAL));
    }

    private static Signatures signatures(Common common, Logs logs) throws IOException {
        SigningConfig signing = common.config().signing();
        if (signing instanceof SigningConfig.Simple simple) {
            return Signatures.anyOf(common.clock().millis(), simple.check());
        }
        if (signing instanceof SigningConfig.Registered registered) {
            try {
                ReloadedKeys keys = common.parts()
                        .opened(new ReloadedKeys(
                                registered.file(),
                                registered.only(),
                                common.steady(),
                                common.steady()::isInDoubt,
                                System::nanoTime,
                                common.metrics().keys));
                common.reloads().addFiles(keys::onReloadSignal);
                return keys.start(common.audit(), logs::announceKeys);
            } catch (InvalidFileException e) {
                throw new IOException("can't use " + registered.file() + ": " + e.getMessage(), e);
            }
        }
        throw new IllegalStateException("unknown signing configuration: " + signing);
    }
}
