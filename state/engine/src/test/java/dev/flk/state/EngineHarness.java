// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.History.At;
import dev.flk.state.History.Events;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateReads.Found;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;

/** An engine that tests can restart, with a clock that they set. */
final class EngineHarness implements AutoCloseable {
    static final String ME = "me";
    private static final long MOST_NANOS = Duration.ofSeconds(60).toNanos();

    private final Supplier<Storage> storages;
    private final Settings settings;
    private final Consumer<Instant> serverClock;
    private volatile Instant now = Instant.parse("2026-11-22T12:00:00Z");
    /** The engine's clock for lifetimes. Outside {@link #expire}, it is so early that no lifetime ends. */
    private volatile Instant expiry = Instant.EPOCH;

    private long nanos;
    private final Random random = new Random(7);
    long freeBytes = Long.MAX_VALUE;
    StateEngine engine;

    EngineHarness(Supplier<Storage> storages) {
        this(storages, Settings.defaults());
    }

    /** @param storages gives access to the same storage on each call; the engine opens the storage */
    EngineHarness(Supplier<Storage> storages, Settings settings) {
        this(storages, settings, now -> {});
    }

    /** @param serverClock sets the clock that engines on the same storage share */
    EngineHarness(Supplier<Storage> storages, Settings settings, Consumer<Instant> serverClock) {
        this.storages = storages;
        this.settings = settings;
        this.serverClock = serverClock;
        serverClock.accept(now);
        start();
    }

    private void start() {
        engine = new StateEngine(
                storages.get(),
                settings,
                () -> now,
                () -> expiry,
                () -> nanos,
                random,
                () -> freeBytes,
                EngineHarness::constant);
        engine.start()
                .toCompletableFuture()
                .orTimeout(MOST_NANOS, TimeUnit.NANOSECONDS)
                .join();
    }

    /** A text that is a schema until {@link #hasBecomeInvalid}. */
    static final String LATER_INVALID = "\"later invalid\"";

    static volatile boolean hasBecomeInvalid;

    /** Compiles a schema whose only valid value is its own text; {@code "none"} is not a schema. */
    static Schemas.Compiled constant(String json) {
        if (json.equals("\"none\"") || (json.equals(LATER_INVALID) && hasBecomeInvalid)) {
            throw Reason.INVALID.because("not a schema");
        }
        return value ->
                value.equals(json) ? Optional.empty() : Optional.of(new Schemas.Violation("/x", "must be " + json));
    }

    void restart() {
        engine.close();
        start();
    }

    /** Deletes the keys whose lifetimes have ended. */
    void expire() {
        expire(now);
    }

    /** Deletes the keys whose lifetimes have ended at a given time. */
    void expire(Instant at) {
        expiry = at;
        long end = System.nanoTime() + MOST_NANOS;
        while (engine.lifetimes().isExpiring() // the last ones are removed, but not durable, so readers see them
                || !engine.reading(reads -> reads.expired(StateEngine.micros(at), 1))
                        .isEmpty()) {
            engine.lifetimes().expireKeys();
            assertThat(System.nanoTime()).as("the keys do not expire").isLessThan(end);
        }
        expiry = Instant.EPOCH;
    }

    void pass(Duration time) {
        setClock(time);
        nanos += time.toNanos();
    }

    /** Changes the clock without letting time pass. */
    void setClock(Duration by) {
        now = now.plus(by);
        serverClock.accept(now);
    }

    Instant now() {
        return now;
    }

    static StateKey key(String agentId, String name) {
        return new StateKey(StateKey.DEFAULT_NAMESPACE, agentId, name);
    }

    Operation.Write write(String agentId, String name, String json) {
        return engine.write(key(agentId, name), json, Operation.ANY_VERSION);
    }

    static Operation.Delete delete(String agentId, String name) {
        return new Operation.Delete(key(agentId, name), Operation.ANY_VERSION);
    }

    Committed apply(Operation... operations) {
        return apply("", operations);
    }

    /** @param requestId the request id; empty for none */
    Committed apply(String requestId, Operation... operations) {
        return join(() -> engine.apply(ME, List.of(operations), requestId)
                .toCompletableFuture()
                .join());
    }

    /** @param ifRevision the revision after which no key to remove may have been written; negative for no condition */
    Committed remove(String agentId, String prefix, long ifRevision, String requestId) {
        return join(() -> engine.remove(
                        ME,
                        StateKey.DEFAULT_NAMESPACE,
                        agentId,
                        prefix,
                        ifRevision < 0 ? OptionalLong.empty() : OptionalLong.of(ifRevision),
                        requestId)
                .toCompletableFuture()
                .join());
    }

    Committed commit(String txId, String requestId) {
        return join(
                () -> engine.commit(ME, txId, requestId).toCompletableFuture().join());
    }

    void abort(String txId) {
        var unused = join(() -> engine.abort(ME, txId)
                .thenApply(done -> new Committed(0, 0, List.of()))
                .toCompletableFuture()
                .join());
    }

    private static Committed join(Supplier<Committed> commit) {
        try {
            return commit.get();
        } catch (CompletionException e) {
            if (e.getCause() instanceof StateException refused) {
                throw refused;
            }
            throw e;
        }
    }

    Found get(String agentId, String name) {
        return get(agentId, name, new At.Now());
    }

    Found get(String agentId, String name, At at) {
        return engine.reads().get(List.of(key(agentId, name)), at).found().get(0);
    }

    /** Returns the current value of a key. */
    String json(String agentId, String name) {
        return ((Found.Present) get(agentId, name)).version().json();
    }

    /** Returns one page of events of the current history, starting at a revision. */
    Events events(long from, String namespace, Predicate<StateKey> wanted) {
        return engine.history()
                .events(engine.head().historyId(), from, Long.MAX_VALUE, namespace, wanted, StateEngine.MAX_PAGE_BYTES);
    }

    /**
     * Returns a page with the oldest retained event of a key's agent. Always looks up the agent's revisions instead of
     * reading the complete range.
     */
    Events eventsOfAgent(StateKey of) {
        Predicate<StateKey> wanted = key -> key.agentId().equals(of.agentId());
        return new EventReader(
                        engine,
                        engine.head().historyId(),
                        of.namespace(),
                        of.agentId(),
                        wanted,
                        new EventReader.Limits(0, 2))
                .read(engine.history().oldest(of.namespace()), Long.MAX_VALUE, 0);
    }

    /** Returns all events, starting at a revision. */
    List<Event> replay(long from) {
        List<Event> all = new ArrayList<>();
        long next = from;
        while (true) {
            Events part = events(next, "", key -> true);
            if (part.next() == next) {
                return all;
            }
            all.addAll(part.events());
            next = part.next();
        }
    }

    @Override
    public void close() {
        engine.close();
    }
}
