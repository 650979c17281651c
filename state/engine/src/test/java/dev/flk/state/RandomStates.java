// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.History.At;
import dev.flk.state.History.Events;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;

/**
 * Random histories of an engine, compared with {@link StateModel}. The answers, the state at each revision and the
 * replay must be equal, despite restarts, timeouts, clock changes and compactions. A failure names its seed.
 */
final class RandomStates {
    private static final int STEPS = 40;
    /** Few names, so that transactions conflict; their order in UTF-8 differs from their order in UTF-16. */
    private static final List<String> NAMES = List.of("a", "a/b", "b", "\uFF5E", "\uD83D\uDE00");

    private final Random random;
    private final EngineHarness harness;
    private final StateModel model = new StateModel();
    private int requests;

    private RandomStates(long seed, Supplier<Storage> storages, Consumer<Instant> serverClock) {
        random = new Random(seed);
        harness = new EngineHarness(storages, Settings.defaults(), serverClock);
    }

    static void run(long first, long count, Function<Long, Supplier<Storage>> storages) {
        for (long seed = first; seed < first + count; seed++) {
            run(seed, storages.apply(seed), now -> {});
        }
    }

    /** @param serverClock sets the clock that engines on the same storage share */
    static void run(long seed, Supplier<Storage> storages, Consumer<Instant> serverClock) {
        RandomStates history = new RandomStates(seed, storages, serverClock);
        try {
            history.run();
        } catch (RuntimeException | AssertionError e) {
            throw new AssertionError("seed " + seed, e);
        } finally {
            history.harness.close();
        }
    }

    private void run() {
        for (int i = 0; i < STEPS; i++) {
            switch (random.nextInt(13)) {
                case 0 -> harness.restart();
                case 1 -> harness.setClock(Duration.ofMillis(random.nextInt(4_000) - 2_000));
                case 2 -> compact();
                case 3 -> interactive();
                case 4 -> trim();
                case 5 -> expire();
                default -> {
                    harness.pass(Duration.ofNanos(random.nextInt(3_000)));
                    apply();
                }
            }
            compareSome();
        }
        compareAll();
        harness.restart();
        compareAll();
    }

    private StateKey key() {
        return new StateKey(
                random.nextInt(5) == 0 ? StateModel.TRIMMED : StateKey.DEFAULT_NAMESPACE,
                "agent-" + NAMES.get(random.nextInt(2)),
                NAMES.get(random.nextInt(NAMES.size())));
    }

    private List<Operation> operations() {
        List<Operation> operations = new ArrayList<>();
        for (int i = random.nextInt(4); i >= 0; i--) {
            long ifVersion = random.nextInt(3) == 0 ? random.nextInt(4) : Operation.ANY_VERSION;
            operations.add(
                    switch (random.nextInt(8)) {
                        case 0, 1 -> new Operation.Delete(key(), ifVersion);
                        case 2 -> new Operation.Check(key(), Math.max(0, ifVersion));
                        case 3 -> new Operation.Touch(key(), ifVersion, ttlMicros());
                        case 4 -> harness.engine.write(key(), "{}", ifVersion, ttlMicros());
                        default -> harness.engine.write(key(), "{\"n\": " + random.nextInt(100) + "}", ifVersion);
                    });
        }
        return operations;
    }

    private long ttlMicros() {
        return (1 + random.nextInt(3)) * 1_000_000L;
    }

    private void expire() {
        harness.pass(Duration.ofMillis(random.nextInt(2_000)));
        harness.expire();
        model.expire(StateEngine.micros(harness.now()));
    }

    private void apply() {
        List<Operation> operations = operations();
        String requestId = random.nextBoolean() ? "" : "request-" + requests++;
        for (int again = requestId.isEmpty() ? 0 : random.nextInt(2); again >= 0; again--) {
            same(operations, requestId, () -> harness.apply(requestId, operations.toArray(Operation[]::new)));
            if (again > 0 && random.nextBoolean()) {
                harness.restart();
            }
        }
    }

    private void interactive() {
        String txId = harness.engine.begin(EngineHarness.ME, null).txId();
        List<Operation> operations = operations();
        operations.forEach(operation -> harness.engine.stage(EngineHarness.ME, txId, operation));
        switch (random.nextInt(4)) {
            case 0 -> {
                harness.pass(Duration.ofSeconds(30));
                assertThat(reasonOf(() -> harness.commit(txId, ""))).isEqualTo(Reason.TX_EXPIRED);
            }
            case 1 -> {
                harness.abort(txId);
                assertThat(reasonOf(() -> harness.commit(txId, ""))).isEqualTo(Reason.TX_ABORTED);
            }
            default -> same(operations, "", () -> harness.commit(txId, ""));
        }
    }

    private void same(List<Operation> operations, String requestId, Supplier<Committed> commit) {
        Object expected = model.apply(requestId, operations, StateEngine.micros(harness.now()));
        Object actual;
        try {
            actual = commit.get();
        } catch (StateException e) {
            actual = e.reason();
        }
        assertThat(actual).isEqualTo(expected);
    }

    static Reason reasonOf(Supplier<?> refused) {
        try {
            throw new AssertionError("not refused: " + refused.get());
        } catch (StateException e) {
            return e.reason();
        }
    }

    private void compact() {
        if (model.revision() > 0) {
            long floor = random.nextLong(model.revision()) + 1;
            harness.engine.history().compact(new At.Revision(Math.max(floor, model.floor) + 1));
            if (floor > model.floor) {
                model.compact(floor);
            }
        }
    }

    private void trim() {
        long upTo = random.nextLong(model.revision() - model.floor + 1) + model.floor;
        harness.engine.history().trim(StateModel.TRIMMED, new At.Revision(upTo));
        model.trim(upTo);
    }

    private void compareSome() {
        StateKey key = key();
        long oldest = model.oldest(key);
        long revision = oldest + random.nextLong(model.revision() - oldest + 1);
        assertThat(harness.engine
                        .reads()
                        .get(List.of(key), new At.Revision(revision))
                        .found())
                .containsExactly(model.get(key, revision));
    }

    private void compareAll() {
        assertThat(harness.replay(model.floor + 1))
                .isEqualTo(model.events.stream()
                        .filter(event -> !event.changes().isEmpty())
                        .toList());
        compareAgent(key());
        for (long revision = model.floor; revision <= model.revision(); revision++) {
            long at = revision;
            List<StateKey> keys = model.versions.keySet().stream()
                    .filter(key -> at >= model.oldest(key))
                    .toList();
            assertThat(harness.engine.reads().get(keys, new At.Revision(at)).found())
                    .isEqualTo(keys.stream().map(key -> model.get(key, at)).toList());
        }
        for (Map.Entry<StateKey, List<Version>> entry : model.versions.entrySet()) {
            List<Version> newestFirst = new ArrayList<>();
            long below = Long.MAX_VALUE;
            for (List<Version> page = history(entry.getKey(), below); !page.isEmpty(); ) {
                newestFirst.addAll(page);
                below = page.get(page.size() - 1).version();
                page = history(entry.getKey(), below);
            }
            assertThat(newestFirst).isEqualTo(reversed(entry.getValue()));
        }
        for (String agentId : List.of("agent-a", "agent-a/b")) {
            long at = model.floor + random.nextLong(model.revision() - model.floor + 1);
            assertThat(names(agentId, at))
                    .isEqualTo(model.versions.keySet().stream()
                            .filter(key -> key.namespace().equals(StateKey.DEFAULT_NAMESPACE))
                            .filter(key -> key.agentId().equals(agentId))
                            .filter(key -> model.get(key, at) instanceof StateReads.Found.Present)
                            .map(StateKey::name)
                            .toList());
        }
    }

    private void compareAgent(StateKey one) {
        long from = model.oldest(one) + 1;
        long to = from + random.nextInt(STEPS);
        Predicate<StateKey> ofAgent =
                key -> key.namespace().equals(one.namespace()) && key.agentId().equals(one.agentId());
        EventReader reader = new EventReader(
                harness.engine,
                harness.engine.head().historyId(),
                one.namespace(),
                one.agentId(),
                ofAgent,
                new EventReader.Limits(0, 1 + random.nextInt(5)));
        List<Event> found = new ArrayList<>();
        Events part = reader.read(from, to, random.nextInt(500));
        for (long next = from; part.next() > next; part = reader.read(next, to, random.nextInt(500))) {
            found.addAll(part.events());
            next = part.next();
            long last = next - 1;
            assertThat(model.events)
                    .filteredOn(event -> event.revision() == last)
                    .extracting(Event::committedAtMicros)
                    .containsExactly(part.lastAtMicros());
        }
        List<Event> inRange = model.events.stream()
                .filter(event -> event.revision() >= from && event.revision() < to)
                .toList();
        assertThat(found).isEqualTo(History.selected(inRange, one.namespace(), ofAgent));
    }

    private List<Version> history(StateKey key, long below) {
        return harness.engine.reads().history(key, below, 1 + random.nextInt(3));
    }

    private List<String> names(String agentId, long revision) {
        List<String> names = new ArrayList<>();
        String after = null;
        do {
            Page<KeyAt> page = harness.engine
                    .reads()
                    .keys(
                            StateKey.DEFAULT_NAMESPACE,
                            agentId,
                            "",
                            after,
                            new At.Revision(revision),
                            1 + random.nextInt(3));
            page.entries().forEach(entry -> names.add(entry.name()));
            after = page.next();
        } while (after != null);
        return names;
    }

    private static <T> List<T> reversed(List<T> list) {
        List<T> reversed = new ArrayList<>(list);
        java.util.Collections.reverse(reversed);
        return reversed;
    }
}
