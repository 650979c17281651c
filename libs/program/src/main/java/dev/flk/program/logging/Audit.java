// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.logging;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.classic.util.LogbackMDCAdapter;
import ch.qos.logback.core.rolling.FixedWindowRollingPolicy;
import ch.qos.logback.core.rolling.RollingFileAppender;
import ch.qos.logback.core.rolling.SizeBasedTriggeringPolicy;
import ch.qos.logback.core.status.Status;
import ch.qos.logback.core.util.FileSize;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.files.RegularFile;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;

/**
 * The audit log {@code audit.jsonl}, with one JSON object per line. It records starts and stops; new and refused files
 * of keys, state tokens and TLS; refused signatures and requests of operators; and conflicts. For each reason of a
 * refusal or a conflict, at most {@value #LINES_AT_ONCE} lines are written at once, and then one every six seconds; further lines
 * are only counted. Each reason has its own limit, so that strangers can't hide one reason by causing another. At most
 * 4 files of 32 MiB are kept. Lines are not forced to disk. A line that can't be written is lost, logged at ERROR and
 * counted in {@code flk_audit_errors_total}. Safe for any thread.
 */
public final class Audit implements AutoCloseable {
    public static final Key<Path> DIRECTORY =
            Key.of("AUDIT_DIR", Quantities::path, "Directory of the audit log.").derived("in WAL_DIR");

    static final String FILE = "audit.jsonl";
    static final int LINES_AT_ONCE = 10;
    private static final Duration LINE_EVERY = Duration.ofSeconds(6);
    private static final String MAX_FILE_SIZE = "32MB";
    private static final int OLD_FILES = 3;
    private static final org.slf4j.Logger LOG = LoggerFactory.getLogger("dev.flk.backend.audit");
    private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));
    private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY_FILE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"));
    private static final JsonMapper JSON = new JsonMapper();

    private final @Nullable AuditFile file;
    private final Logger logger;
    private final InstantSource clock;
    private final LineLimit refusals;
    private boolean isClosed;

    private Audit(@Nullable AuditFile file, Logger logger, InstantSource clock, LongSupplier nanoTicker) {
        this.file = file;
        this.logger = logger;
        this.clock = clock;
        this.refusals = new LineLimit(LINES_AT_ONCE, LINE_EVERY, nanoTicker);
    }

    /** Returns an audit log that writes nothing. */
    public static Audit none() {
        Logger off = new LoggerContext().getLogger("audit");
        off.setLevel(Level.OFF);
        return new Audit(null, off, InstantSource.system(), System::nanoTime);
    }

    /**
     * Opens the file in {@code directory}. Creates the directory and the file if they are missing, with access only for
     * their owner. If they can't be created or opened, the failure is only logged and counted.
     *
     * @throws InvalidConfig if the file exists but is not a regular file
     */
    public static Audit open(Path directory, InstantSource clock, LongSupplier nanoTicker, AuditMetrics metrics) {
        Path path = directory.resolve(FILE);
        AuditFile file = new AuditFile(path, metrics);
        try {
            Optional<String> kind = RegularFile.otherKind(path);
            if (kind.isPresent()) {
                throw new InvalidConfig(List.of("AUDIT_DIR: " + path + " is " + kind.get()
                        + ", not a regular file; move it away or name another directory"));
            }
        } catch (IOException e) {
            file.addError("can't read " + path, e);
        }
        return writingTo(file, clock, nanoTicker);
    }

    /** Returns an audit log that writes to a file, which need not be a regular file. */
    static Audit writingTo(AuditFile file, InstantSource clock, LongSupplier nanoTicker) {
        file.start();
        Logger logger = ((LoggerContext) file.getContext()).getLogger("audit");
        logger.addAppender(file);
        return new Audit(file, logger, clock, nanoTicker);
    }

    /**
     * The file and the older files next to it. After a failed write, Logback drops lines without an error until it
     * opens the file again, and also drops the line at which it opens the file; {@link #openAgain} prevents that. The
     * audit log calls it under its own lock.
     */
    static final class AuditFile extends RollingFileAppender<ILoggingEvent> {
        private final AuditMetrics metrics;
        private boolean hasFailed;
        /** Whether errors are ignored, because the lines that they affect were counted when they were written. */
        private boolean isClosing;

        AuditFile(Path path, AuditMetrics metrics) {
            this.metrics = metrics;
            LoggerContext own = new LoggerContext();
            own.setMDCAdapter(new LogbackMDCAdapter());
            own.getStatusManager().add(this::note);
            setContext(own);
            setFile(path.toString());
            PatternLayoutEncoder lines = new PatternLayoutEncoder();
            lines.setContext(own);
            lines.setPattern("%msg%n");
            lines.setCharset(StandardCharsets.UTF_8); // else the locale's
            lines.start();
            setEncoder(lines);
            FixedWindowRollingPolicy rolling = new FixedWindowRollingPolicy();
            rolling.setContext(own);
            rolling.setParent(this);
            rolling.setFileNamePattern(path.resolveSibling("audit.%i.jsonl").toString());
            rolling.setMaxIndex(OLD_FILES);
            setRollingPolicy(rolling);
            SizeBasedTriggeringPolicy<ILoggingEvent> size = new SizeBasedTriggeringPolicy<>();
            size.setContext(own);
            size.setMaxFileSize(FileSize.valueOf(MAX_FILE_SIZE));
            setTriggeringPolicy(size);
        }

        private void note(Status status) {
            if (status.getEffectiveLevel() == Status.ERROR && !isClosing) {
                hasFailed = true;
                metrics.errors.increment();
                LOG.error("the audit log can't be written: {}", status.getMessage(), status.getThrowable());
            }
        }

        @Override
        public void openFile(String name) throws IOException {
            createPrivate(Path.of(name));
            super.openFile(name);
        }

        @Override
        public void start() {
            getRollingPolicy().start();
            getTriggeringPolicy().start();
            super.start();
        }

        /** Opens the file again if it could not be opened or written to. A failure is logged and counted. */
        void openAgain() {
            if (!isStarted() || hasFailed) {
                stop();
                hasFailed = false;
                start();
            }
        }

        @Override
        public void stop() {
            isClosing = true;
            super.stop();
            isClosing = false;
        }
    }

    /** Creates a file and its directory, each unless it exists, with access only for their owner. */
    private static void createPrivate(Path file) throws IOException {
        Path directory = Objects.requireNonNull(file.getParent());
        if (!Files.isDirectory(directory)) {
            Files.createDirectories(directory, OWNER_ONLY);
        }
        if (!Files.exists(file)) {
            Files.createFile(file, OWNER_ONLY_FILE);
        }
    }

    /** Writes an event of the backend or an action of an operator. {@code details} must not contain secrets. */
    public void operation(String event, Map<String, String> details) {
        ObjectNode line = line(event);
        details.forEach(line::put);
        write(line);
    }

    /**
     * Writes a line for a certificate that was refused with status 401 because of its signature, unless too many lines
     * with this reason were written.
     *
     * @param address the address of the connection
     * @param reason the reason as named in metrics
     * @param keyId the id of the key that made the signature; null if it is not known
     * @param claimedId the id in the certificate; null if it is not a valid id
     */
    public void signatureRefused(String address, String reason, @Nullable String keyId, @Nullable String claimedId) {
        refused("signature_refused", address, reason, keyId, claimedId);
    }

    /**
     * Writes a line for a certificate whose content differs from the content that was decided under the same id, unless
     * too many lines with this reason were written.
     */
    public void conflict(String address, String reason, String keyId, String id) {
        refused("conflict", address, reason, keyId, id);
    }

    /**
     * Writes a line for a refused request for an operators' path, unless too many lines with this reason were written.
     */
    public void operatorRefused(String address, String reason) {
        refused("operator_refused", address, reason, null, null);
    }

    private void refused(String event, String address, String reason, @Nullable String keyId, @Nullable String pcsId) {
        OptionalLong leftOut = refusals.take(reason);
        if (leftOut.isEmpty()) {
            return;
        }
        ObjectNode line = line(event).put("address", address).put("reason", reason);
        if (keyId != null) {
            line.put("key", keyId);
        }
        if (pcsId != null) {
            line.put("pcs_id", pcsId);
        }
        if (leftOut.getAsLong() > 0) {
            line.put("not_written_before", leftOut.getAsLong());
        }
        write(line);
    }

    private ObjectNode line(String event) {
        return JSON.createObjectNode()
                .put("time", clock.instant().truncatedTo(ChronoUnit.MILLIS).toString())
                .put("event", event);
    }

    private synchronized void write(ObjectNode line) {
        if (file != null && !isClosed) {
            file.openAgain();
        }
        logger.info("{}", line);
    }

    /** Writes that the backend stopped, and closes the file. */
    @Override
    public void close() {
        operation("stopped", Map.of());
        synchronized (this) {
            isClosed = true;
            if (file != null) {
                file.stop();
            }
        }
    }

    /** The metrics of the audit log. */
    public static final class AuditMetrics extends Metrics.Feature {
        private final Count errors = counter("flk_audit_errors_total", "Failed writes to the audit log.");

        public AuditMetrics(Metrics metrics) {
            super(metrics);
        }
    }
}
