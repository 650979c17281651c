// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static dev.flk.program.config.Quantities.bytes;
import static dev.flk.program.config.Quantities.count;
import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.backend.access.tokens.TokensFile;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConfig.TimeLimit;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.state.StateEngine;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * The settings of the state of agents.
 *
 * @param port the port to listen on; 0 picks any free port
 * @param bindAddress the address or host name to listen on
 * @param tokensFile the file of tokens and their rights; empty if everyone who can reach the port may do everything
 * @param engine the limits of the engine
 * @param cacheBytes the size of the read cache; if the state is in memory, the maximum size of all data
 * @param directory the directory of the embedded state; empty if the state is in memory or in Postgres
 * @param postgres the server of a state in Postgres; empty if the state is elsewhere
 * @param knownHistory the file that remembers the last known revision of a state in Postgres; empty if the state is
 *     elsewhere
 * @param history how long overwritten or deleted values are kept; empty to keep them forever
 */
public record StateConfig(
        int port,
        String bindAddress,
        Optional<Path> tokensFile,
        StateEngine.Settings engine,
        int cacheBytes,
        Optional<Path> directory,
        Optional<PostgresConfig> postgres,
        Optional<Path> knownHistory,
        Optional<Duration> history) {
    private static final Key<Optional<Integer>> STATE_PORT = Key.of(
                    "STATE_PORT",
                    StateConfig::portOrOff,
                    "The port for the state of agents, on loopback unless `STATE_TOKENS_FILE` is set; 0: any free"
                            + " port; `off`: no port.")
            .or("50051");
    public static final Key<Path> STATE_TOKENS_FILE = Key.of(
                    "STATE_TOKENS_FILE",
                    Quantities::path,
                    "The file of access tokens for the state; the port is then on `BIND_ADDR`.")
            .fileName();
    private static final Key<Access> STATE_AUTH =
            Key.of("STATE_AUTH", oneOf(Access.class), "`none`: the port is on `BIND_ADDR`, open to everyone.");
    private static final Key<Kind> STATE_ENGINE = Key.of(
                    "STATE_ENGINE", oneOf(Kind.class), "`embedded`, `memory` or `postgres`.")
            .or("embedded");
    private static final Key<Path> STATE_DIR = Key.of(
                    "STATE_DIR",
                    Quantities::path,
                    "Directory of the embedded state; with `postgres`, directory of a file that stores its last"
                            + " known revision.")
            .or("data/state");
    private static final Key<Integer> STATE_CACHE_BYTES = Key.of(
                    "STATE_CACHE_BYTES",
                    bytes(1 << 20, 1 << 30),
                    "`embedded`: the size of the read cache. `memory`: the largest size of the state.")
            .derived("64MiB; `memory`: at most a 16th of the heap");
    private static final Key<Long> STATE_MIN_FREE_BYTES = Key.of(
                    "STATE_MIN_FREE_BYTES", Quantities::bytes, "The free disk space below which no state is written.")
            .derived("512MiB");
    private static final Key<Integer> STATE_MAX_VALUE_BYTES = Key.of(
                    "STATE_MAX_VALUE_BYTES", bytes(1, 2 << 20), "The largest size of a value.")
            .or("1MiB");
    private static final Key<Duration> STATE_TX_TIMEOUT = Key.of(
                    "STATE_TX_TIMEOUT",
                    Quantities.duration(Duration.ofSeconds(1), Duration.ofHours(1)),
                    "The time after which an open transaction is ended.")
            .or("30s");
    private static final Key<Integer> STATE_MAX_OPEN_TX = Key.of(
                    "STATE_MAX_OPEN_TX", count(1, 100_000), "The largest number of open transactions.")
            .or("1024");
    private static final Key<Duration> STATE_HISTORY = Key.of(
            "STATE_HISTORY",
            Quantities.duration(Duration.ofMinutes(1), Duration.ofDays(36_500)),
            "How long overwritten and deleted values can be read and replayed. Not set: forever.");
    /** The settings of the state, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(
            STATE_PORT,
            STATE_TOKENS_FILE,
            STATE_AUTH,
            STATE_ENGINE,
            STATE_DIR,
            STATE_CACHE_BYTES,
            STATE_MIN_FREE_BYTES,
            STATE_MAX_VALUE_BYTES,
            STATE_TX_TIMEOUT,
            STATE_MAX_OPEN_TX,
            STATE_HISTORY);

    private static final String POSTGRES_KNOWN = "postgres.known";
    private static final long USUAL_CACHE_BYTES = 64 << 20;
    /** The heap size divided by this number is the most for open transactions, and for a state in memory. */
    private static final long PART_OF_HEAP = 16;
    /** A token may hold half: the longest transaction, with what its operations take in memory. */
    private static final long LEAST_STAGED_BYTES = 16 << 20;

    private enum Kind {
        EMBEDDED,
        MEMORY,
        POSTGRES
    }

    private enum Access {
        NONE
    }

    /**
     * The address on which a port without tokens listens, so that only this machine can reach the port. If STATE_AUTH
     * is {@code none}, the port listens on BIND_ADDR instead.
     */
    public static final String LOOPBACK = "127.0.0.1";

    /** The time-out of a statement in Postgres unless POSTGRES_STATEMENT_TIMEOUT is set. */
    private static final Duration POSTGRES_TIMEOUT = Duration.ofSeconds(3);

    /** Returns the most that open transactions may take together, of a heap of this size. */
    static long maxStagedBytes(long heapBytes) {
        return Math.min(
                StateEngine.Settings.defaults().maxStagedBytes(),
                Math.max(LEAST_STAGED_BYTES, heapBytes / PART_OF_HEAP));
    }

    /** Returns the value of STATE_ENGINE. */
    public String engineName() {
        return postgres.isPresent() ? "postgres" : directory.isPresent() ? "embedded" : "memory";
    }

    /** Returns whether callers on other machines have access without a token. */
    public boolean openToAll() {
        return tokensFile.isEmpty() && !bindAddress.equals(LOOPBACK);
    }

    /** Returns whether the state is on and in Postgres. */
    public static boolean isInPostgres(Settings settings) {
        return settings.get(STATE_PORT).isPresent() && settings.get(STATE_ENGINE) == Kind.POSTGRES;
    }

    /** Returns whether the state is on. */
    public static boolean isOn(Settings settings) {
        return settings.get(STATE_PORT).isPresent();
    }

    /** Returns the value of STATE_DIR. */
    public static Path directory(Settings settings) {
        return settings.get(STATE_DIR);
    }

    /** Reads the settings of the state; returns empty if the state is off. */
    public static Optional<StateConfig> read(Settings settings, String bindAddress) {
        Path directory = settings.get(STATE_DIR);
        Kind kind = settings.get(STATE_ENGINE);
        boolean hasDirectory = kind == Kind.EMBEDDED;
        Optional<Integer> port = settings.get(STATE_PORT);
        Optional<Long> minFreeBytes = settings.find(STATE_MIN_FREE_BYTES);
        Optional<Path> tokens = settings.find(STATE_TOKENS_FILE);
        boolean isForAll = settings.find(STATE_AUTH).isPresent();
        settings.require(
                !isForAll || !settings.isGiven(STATE_TOKENS_FILE),
                "STATE_AUTH: none admits everyone, so STATE_TOKENS_FILE has no use; remove one of the two");
        tokens.ifPresent(file -> {
            try {
                TokensFile.read(file);
            } catch (InvalidFileException e) {
                e.problems().forEach(problem -> settings.problem("STATE_TOKENS_FILE: " + file + ": " + problem));
            }
        });
        StateEngine.Settings usual = StateEngine.Settings.defaults();
        long heapBytes = Runtime.getRuntime().maxMemory();
        StateEngine.Settings engine = new StateEngine.Settings(
                settings.get(STATE_MAX_VALUE_BYTES),
                settings.get(STATE_TX_TIMEOUT),
                settings.get(STATE_MAX_OPEN_TX),
                maxStagedBytes(heapBytes),
                minFreeBytes.orElse(usual.minFreeBytes()));
        int cacheBytes = settings.find(STATE_CACHE_BYTES).orElse((int)
                Math.min(USUAL_CACHE_BYTES, kind == Kind.MEMORY ? heapBytes / PART_OF_HEAP : USUAL_CACHE_BYTES));
        Optional<Duration> history = settings.find(STATE_HISTORY);
        boolean isInPostgres = isInPostgres(settings);
        if (port.isEmpty()) {
            settings.unused(
                    "STATE_PORT is off",
                    KEYS.stream()
                            .filter(key -> !key.equals(STATE_PORT) && !key.equals(STATE_TOKENS_FILE))
                            .toList());
        } else {
            settings.unused("STATE_ENGINE is memory", kind == Kind.MEMORY ? List.of(STATE_DIR) : List.of());
            settings.unused("STATE_ENGINE is postgres", isInPostgres ? List.of(STATE_CACHE_BYTES) : List.of());
        }
        Optional<PostgresConfig> postgres = isInPostgres
                ? Optional.of(
                        PostgresConfig.read(settings, new TimeLimit("", POSTGRES_TIMEOUT), Optional.of("STATE_ENGINE")))
                : Optional.empty();
        return port.map(each -> new StateConfig(
                each,
                isForAll || tokens.isPresent() ? bindAddress : LOOPBACK,
                tokens,
                engine,
                cacheBytes,
                hasDirectory ? Optional.of(directory) : Optional.empty(),
                postgres,
                isInPostgres ? Optional.of(absolute(directory).resolve(POSTGRES_KNOWN)) : Optional.empty(),
                history));
    }

    private static Optional<Integer> portOrOff(String text) {
        if (text.equalsIgnoreCase("off")) {
            return Optional.empty();
        }
        try {
            return Optional.of(Quantities.port(text));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(e.getMessage() + "; write a port, or off", e);
        }
    }

    private static Path absolute(Path directory) {
        return directory.toAbsolutePath().normalize();
    }
}
