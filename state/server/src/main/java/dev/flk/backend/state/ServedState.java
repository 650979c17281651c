// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.access.tokens.Tokens;
import dev.flk.backend.state.schema.JsonSchemas;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresPool;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.OpenFiles;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.DiskSpace;
import dev.flk.program.time.DaemonThreads;
import dev.flk.state.History.At;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage;
import dev.flk.state.embedded.EmbeddedStorage;
import dev.flk.state.embedded.MemoryStorage;
import dev.flk.state.postgres.PostgresStorage;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The state of agents that the backend serves: the engine, its port, and the maintenance of both. A failure after the
 * start affects only the state: {@link #problem} and a log line report the failure, and the rest of the backend
 * continues to run.
 */
public final class ServedState implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.state");
    private static final long LOOK_EVERY_MILLIS = 1_000;
    private static final long REMOVE_EVERY_MINUTES = 10;
    private static final int HISTORY_ID_BYTES = 16;

    private final InstantSource expiry;
    /** The divisor of the limit of open files that gives the maximum number of connections. */
    private static final int SHARE_OF_FILES = 8;

    private final Deque<AutoCloseable> parts = new ArrayDeque<>();
    private final Map<String, Duration> keptFor = new ConcurrentHashMap<>();
    private final StateEngine engine;
    private final StatePort port;
    private final @Nullable Tokens tokens;
    private final @Nullable Place place;
    /**
     * The timer. It has two threads, so that the checks of the port and the directory continue while old history is
     * removed, which takes long.
     */
    private final ScheduledExecutorService timer =
            Executors.newScheduledThreadPool(2, DaemonThreads.named("state-care"));
    // used by the timer's threads
    private @Nullable String reportedProblem = "it is starting";
    private @Nullable String reportedMissing;

    /**
     * Opens the port. The engine opens concurrently, and refuses calls until it is open.
     *
     * @param clock the clock for the times of commits
     * @param expiry the clock that determines which lifetimes are over, and which history is old enough to be removed
     * @param tls the TLS of the port; null for a port without TLS
     * @throws InvalidConfig if the directory can't be created or written, or the tokens file can't be used
     * @throws IOException if the port can't be opened
     */
    public static ServedState open(
            StateConfig config,
            InstantSource clock,
            InstantSource expiry,
            @Nullable ReloadedTls tls,
            Audit audit,
            StateMetrics metrics,
            PoolMetrics pool)
            throws IOException {
        Place place = config.directory().isPresent()
                ? Place.writable(config.directory().get())
                : null;
        config.knownHistory().map(Path::getParent).ifPresent(Place::writable);
        Tokens tokens =
                config.tokensFile().map(file -> Tokens.read(file, audit)).orElse(null);
        return new ServedState(config, clock, expiry, place, tls, tokens, metrics, pool);
    }

    /**
     * Returns the maximum number of connections to the port, so that these and those to the other ports leave files for
     * the log and the stores.
     *
     * @param files the limit of open files of this process
     */
    public static int maxConnections(long files) {
        return (int) Math.min(StatePort.MAX_CONNECTIONS, files / SHARE_OF_FILES);
    }

    private ServedState(
            StateConfig config,
            InstantSource clock,
            InstantSource expiry,
            @Nullable Place place,
            @Nullable ReloadedTls tls,
            @Nullable Tokens tokens,
            StateMetrics metrics,
            PoolMetrics pool)
            throws IOException {
        this.expiry = expiry;
        this.place = place;
        this.tokens = tokens;
        SecureRandom random = new SecureRandom();
        this.engine = new StateEngine(
                config.postgres().isPresent()
                        ? inPostgres(config, () -> newHistoryId(random), pool)
                        : storage(config, () -> newHistoryId(random)),
                config.engine(),
                clock,
                expiry,
                System::nanoTime,
                random,
                place == null ? () -> Long.MAX_VALUE : place,
                JsonSchemas::compile);
        engine.start();
        parts.push(engine);
        try {
            this.port = new StatePort(
                    engine,
                    config.engineName(),
                    new InetSocketAddress(config.bindAddress(), config.port()),
                    tls,
                    tokens,
                    maxConnections(OpenFiles.limit()),
                    metrics);
        } catch (IOException e) {
            close();
            throw e;
        }
        parts.push(port);
        if (place != null) {
            DiskSpace space = DiskSpace.watch(place.directory);
            parts.push(space);
            metrics.bytes.watch(space::usedBytes);
            metrics.freeBytes.watch(space::freeBytes);
        } else {
            metrics.bytes.watch(() -> orNaN(() -> engine.info().bytes()));
        }
        if (tokens != null) {
            tokens.startChecks();
            parts.push(tokens);
        }
        metrics.up.watch(() -> problem().isEmpty() ? 1 : 0);
        metrics.revision.watch(() -> orNaN(() -> engine.head().revision()));
        metrics.openTransactions.watch(engine::openTransactions);
        metrics.expired.watch(engine::expired);
        metrics.losses.watch(engine::timesMissing);
        metrics.watchers.watch(port::streams);
        timer.scheduleWithFixedDelay(this::look, LOOK_EVERY_MILLIS, LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
        timer.scheduleWithFixedDelay(() -> removeOld(config), 1, REMOVE_EVERY_MINUTES, TimeUnit.MINUTES);
        LOG.info("serving the state on {} port {}, engine: {}", config.bindAddress(), port.port(), config.engineName());
        if (config.openToAll()) {
            LOG.warn("STATE_AUTH=none: anyone who reaches this port can read and write all state");
        }
    }

    /**
     * Returns the sum of the bounds on the bytes in the heap that the state holds for callers. Commits that wait, and
     * schemas, are part of the requests or of the transactions.
     */
    public static long heldBytes(long heapBytes) {
        CallLimit.Bytes calls = StatePort.maxBytes(heapBytes);
        return calls.requests() + calls.answers() + calls.streamed() + StateConfig.maxStagedBytes(heapBytes);
    }

    /**
     * Creates the storage that a configuration describes, without opening it. No backend may serve this storage at the
     * same time.
     */
    public static Storage storage(StateConfig config) {
        SecureRandom random = new SecureRandom();
        return storage(config, () -> newHistoryId(random));
    }

    private static Storage inPostgres(StateConfig config, Supplier<String> newHistoryId, PoolMetrics pool) {
        PostgresPool connections = new PostgresPool(config.postgres().orElseThrow(), pool.of(Pool.STATE));
        pool.watch(Pool.STATE, connections);
        return new PostgresStorage(
                connections, newHistoryId, config.knownHistory().orElse(null));
    }

    private static Storage storage(StateConfig config, Supplier<String> newHistoryId) {
        if (config.postgres().isPresent()) {
            return new PostgresStorage(
                    new PostgresPool(config.postgres().get(), PoolMetrics.unobserved(Pool.STATE)), newHistoryId, null);
        }
        return config.directory().isPresent()
                ? new EmbeddedStorage(config.directory().get(), config.cacheBytes(), newHistoryId)
                : new MemoryStorage(newHistoryId, config.cacheBytes());
    }

    private static String newHistoryId(SecureRandom random) {
        byte[] id = new byte[HISTORY_ID_BYTES];
        random.nextBytes(id);
        return HexFormat.of().formatHex(id);
    }

    private static double orNaN(LongSupplier asked) {
        try {
            return asked.getAsLong();
        } catch (StateException e) {
            return Double.NaN;
        }
    }

    /** Checks the port and the directory once. The timer calls this method every second. */
    void look() {
        try {
            reportProblems();
            port.look();
            port.sendProgress();
        } catch (RuntimeException e) {
            LOG.error(
                    "the regular check of the state's port and directory failed and will be repeated",
                    e); // an exception that leaves this method would end the regular checks
        }
    }

    private void reportProblems() {
        if (place != null) {
            place.look();
        }
        engine.missing().filter(missing -> !missing.equals(reportedMissing)).ifPresent(missing -> {
            LOG.error(
                    "answered commits of the state of agents may be missing: {}. To recover missing commits, restore a"
                            + " backup, or restore a dump into an empty directory or database",
                    missing);
            reportedMissing = missing;
        });
        if (met().filter(problem -> problem.reason() == Reason.STARTING).isPresent()) {
            port.setServing(false);
            return;
        }
        boolean isDown = met().isPresent();
        String now = refusal().map(StateException::getMessage).orElse(null);
        if (now != null && !now.equals(reportedProblem)) {
            LOG.error(
                    "the state of agents {}: {}; this alone does not prevent the backend from accepting certificates",
                    isDown ? "is down" : "accepts no commits",
                    now);
        } else if (now == null && reportedProblem != null) {
            LOG.info("the state of agents can be used again");
        }
        port.setServing(now == null);
        reportedProblem = now;
    }

    /**
     * Limits the time for which the versions in a namespace of the backend are kept: older versions are removed, even
     * if they are current.
     */
    public void keepFor(String namespace, Duration time) {
        keptFor.put(namespace, time);
    }

    /** Removes history that is older than the settings allow. */
    void removeOld(StateConfig config) {
        keptFor.forEach((namespace, time) -> remove(time, at -> engine.history().trim(namespace, at)));
        config.history().ifPresent(kept -> remove(kept, engine.history()::compact));
    }

    private void remove(Duration kept, Consumer<At> removal) {
        try {
            removal.accept(new At.Time(expiry.instant().minus(kept)));
        } catch (StateException e) {
            if (e.reason() != Reason.COMPACTED) { // COMPACTED means that nothing older exists
                LOG.warn("removing old history of the state failed and will be retried: {}", e.getMessage());
            }
        } catch (RuntimeException e) {
            LOG.error("removing old history of the state failed and will be retried", e);
        }
    }

    /**
     * Returns a short description of the current problem for {@code /readyz}; empty if there is no problem. The log has
     * the details.
     */
    public Optional<String> problem() {
        return refusal().map(e -> {
            String cause = e.details().get("cause");
            return cause == null ? e.reason().name() : e.reason().name() + ": " + cause;
        });
    }

    private Optional<StateException> refusal() {
        try {
            return met().or(engine::blocked).or(engine::full);
        } catch (StateException e) { // the directory has disappeared
            return Optional.of(e);
        }
    }

    /**
     * Returns a text for {@code /readyz} about the first of the following that applies: the current problem; commits
     * that were confirmed to callers but are missing; connections and calls that are being refused. If none applies,
     * the text says that the state is up.
     */
    public String detail() {
        return problem()
                .or(() -> engine.missing().map(missing -> "ANSWERED_COMMITS_MISSING"))
                .orElseGet(() -> port.refusing()
                        .map(what -> "up; " + what + "; further ones are refused")
                        .orElse("up"));
    }

    private Optional<StateException> met() {
        return place != null && place.isGone() ? Optional.of(place.gone()) : engine.problem();
    }

    /** Returns the engine, which this object continues to own. */
    public StateEngine engine() {
        return engine;
    }

    /** Returns the port that the server listens on. */
    public int port() {
        return port.port();
    }

    /** Returns the result of {@link Tokens#allows}; empty if the port has no tokens. */
    public Optional<Boolean> allows(String token, String namespace, String agentPrefix, boolean writes) {
        return tokens == null ? Optional.empty() : tokens.allows(token, namespace, agentPrefix, writes);
    }

    /** Reads the tokens again. */
    public void onReloadSignal() {
        if (tokens != null) {
            tokens.onReloadSignal();
        }
    }

    /**
     * Ends replays, gives other calls a moment to finish, and closes the engine, which first waits a moment for the
     * queued commits.
     */
    @Override
    public void close() {
        timer.shutdownNow();
        while (!parts.isEmpty()) {
            try {
                parts.pop().close();
            } catch (Exception e) {
                LOG.error("a component of the state of agents could not be closed", e);
            }
        }
    }

    /** The directory of the state: its free space, and whether it is still the same directory. */
    private static final class Place implements LongSupplier {
        private final Path directory;
        private final @Nullable Object key;
        private volatile boolean isGone;

        private Place(Path directory, @Nullable Object key) {
            this.directory = directory;
            this.key = key;
        }

        static Place writable(Path directory) {
            try {
                Files.createDirectories(directory, OwnerOnly.directory(directory));
                Files.delete(Files.createTempFile(directory, "writable", null));
                return new Place(directory, key(directory));
            } catch (IOException e) {
                throw new InvalidConfig(
                        List.of(("STATE_DIR: %s can't be created, or is not writable: %s; choose another directory, or"
                                        + " STATE_PORT=off")
                                .formatted(directory, e)));
            }
        }

        private static @Nullable Object key(Path directory) throws IOException {
            return Files.readAttributes(directory, BasicFileAttributes.class).fileKey();
        }

        void look() {
            try {
                Object now = key(directory);
                isGone = now != null && !now.equals(key);
            } catch (IOException e) {
                isGone = true;
            }
        }

        boolean isGone() {
            return isGone;
        }

        StateException gone() {
            return Reason.STORE_DOWN.because(
                    "the directory of the state, " + directory + ", is missing or was replaced; put it back");
        }

        /**
         * Returns the free bytes. Throws if the directory is missing or was replaced, because commits into unlinked
         * files would be lost.
         */
        @Override
        public long getAsLong() {
            if (isGone) {
                throw gone();
            }
            long free = directory.toFile().getUsableSpace();
            if (free == 0) { // a missing directory also reports 0
                look();
                if (isGone) {
                    throw gone();
                }
            }
            return free;
        }
    }
}
