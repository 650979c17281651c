// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Order;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Part;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Span;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Wanted;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.canonical.Sha256;
import dev.flk.state.History.At;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateKey;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compares queries by time with a list of all outcomes. */
class RecordIndexTest {
    private static final Instant START = Instant.parse("2026-11-01T00:00:00Z");
    private static final Span EVER = new Span(null, null);

    @TempDir
    private Path directory;

    private final StateEngine engine = MemoryEngine.started();
    private final Random random = new Random(33);
    private final List<Outcome> recorded = new ArrayList<>();
    private Instant start = START;
    private RecordIndex index = new RecordIndex(engine, null);

    /** @param windowEnd the time of the last measurement, or null */
    private record Outcome(
            String id,
            String shard,
            String key,
            String verdict,
            String regime,
            Instant received,
            @Nullable Instant windowEnd) {
        StateKey stateKey() {
            return new StateKey(RecordedOutcomes.NAMESPACE, shard, "epoch/%019d/%s".formatted(1, id));
        }

        String json() {
            return "{\"verdict\":\"%s\",\"regime\":\"%s\",\"received_at\":\"%s\",\"key_id\":\"%s\"%s}"
                    .formatted(
                            verdict,
                            regime,
                            received,
                            key,
                            windowEnd == null ? "" : ",\"window_end\":\"" + windowEnd + "\"");
        }
    }

    @AfterEach
    void close() {
        index.close();
        engine.close();
    }

    private RecordedOutcomes outcomes() {
        return new RecordedOutcomes(engine, index, false);
    }

    private Outcome outcome(int number) {
        String id = HexFormat.of().formatHex(Sha256.of(("id " + number).getBytes(StandardCharsets.US_ASCII)));
        boolean isRare = random.nextInt(50) == 0;
        return new Outcome(
                id,
                "shard-" + number % 3,
                isRare ? "rare" : "key-" + random.nextInt(2),
                isRare ? "rejected" : random.nextInt(5) == 0 ? "escalated" : "accepted",
                random.nextBoolean() ? "sticky" : "mixed",
                start.plusMillis(random.nextInt(100_000)), // some outcomes have the same time
                random.nextInt(4) == 0 ? null : START.minusSeconds(random.nextInt(1_000)));
    }

    private void record(List<Outcome> outcomes) {
        List<Operation> operations = new ArrayList<>();
        for (Outcome outcome : outcomes) {
            operations.add(new Operation.Write(outcome.stateKey(), outcome.json(), Operation.ANY_VERSION));
            recorded.removeIf(other -> other.id().equals(outcome.id()));
            recorded.add(outcome);
        }
        engine.apply("test", operations, "").toCompletableFuture().join();
    }

    private void recordSome(int from, int to) {
        for (int number = from; number < to; number += 100) {
            List<Outcome> some = new ArrayList<>();
            for (int i = number; i < Math.min(to, number + 100); i++) {
                some.add(outcome(i));
            }
            record(some);
        }
    }

    private void catchUp() {
        while (index.step()) {
            // there is more to index
        }
    }

    private List<String> ids(Wanted wanted) {
        List<String> ids = new ArrayList<>();
        Wanted next = wanted;
        while (true) {
            Part part = outcomes().outcomes(next);
            part.lines().forEach(line -> ids.add(json(line).get("pcs_id").textValue()));
            if (part.cursor() == null) {
                return ids;
            }
            next = new Wanted(
                    wanted.shard(),
                    wanted.key(),
                    wanted.verdict(),
                    wanted.regime(),
                    wanted.received(),
                    wanted.measured(),
                    wanted.order(),
                    wanted.limit(),
                    part.cursor());
        }
    }

    private static JsonNode json(String line) {
        try {
            return new JsonMapper().readTree(line);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private List<String> expected(Wanted wanted) {
        boolean isByMeasurement = !wanted.measured().equals(EVER);
        Comparator<Outcome> order = Comparator.<Outcome, Instant>comparing(
                        outcome -> Objects.requireNonNull(isByMeasurement ? outcome.windowEnd() : outcome.received()))
                .thenComparing(Outcome::id);
        Predicate<Outcome> passes = outcome -> isWithin(wanted.received(), outcome.received())
                && (!isByMeasurement || isWithin(wanted.measured(), outcome.windowEnd()))
                && (wanted.shard() == null || wanted.shard().equals(outcome.shard()))
                && (wanted.key() == null || wanted.key().equals(outcome.key()))
                && (wanted.verdict() == null || wanted.verdict().equals(outcome.verdict()))
                && (wanted.regime() == null || wanted.regime().equals(outcome.regime()));
        return recorded.stream()
                .filter(passes)
                .sorted(wanted.order() == Order.NEWEST ? order.reversed() : order)
                .map(Outcome::id)
                .toList();
    }

    private static boolean isWithin(Span span, @Nullable Instant time) {
        return time != null
                && (span.from() == null || !time.isBefore(span.from()))
                && (span.to() == null || time.isBefore(span.to()));
    }

    private <T> @Nullable T maybe(T value) {
        return random.nextBoolean() ? value : null;
    }

    private Span span(Instant around, int millis) {
        Instant from = around.plusMillis(random.nextInt(millis));
        return new Span(maybe(from), maybe(from.plusNanos(random.nextInt(20_000) * 1_000_000L + random.nextInt(3))));
    }

    private Wanted query() {
        return new Wanted(
                maybe("shard-" + random.nextInt(4)),
                maybe(random.nextInt(3) == 0 ? "rare" : "key-0"),
                maybe(random.nextBoolean() ? "escalated" : "rejected"),
                maybe("sticky"),
                span(START, 100_000),
                random.nextInt(3) == 0 ? span(START.minusSeconds(1_000), 1_000_000) : EVER,
                random.nextBoolean() ? Order.NEWEST : Order.OLDEST,
                1 + random.nextInt(40),
                null);
    }

    private void compare(int queries) {
        for (int i = 0; i < queries; i++) {
            Wanted wanted = query();
            assertThat(ids(wanted)).as(wanted.toString()).isEqualTo(expected(wanted));
        }
    }

    @Test
    void outcomeReplacedAtTheSameTime_isListedAtEveryBoundaryOfAPart() {
        for (int before = 0; before < 25; before++) {
            recordSome(100 * before, 100 * before + 9);
            Outcome first = outcome(100 * before + 50);
            Outcome accepted = with(first, "accepted");
            record(List.of(accepted));
            catchUp();
            record(List.of(with(first, "escalated")));
            catchUp();

            assertThat(ids(everything())).hasSize(recorded.size());
        }
    }

    private static Wanted everything() {
        return new Wanted(null, null, null, null, EVER, EVER, Order.OLDEST, 20, null);
    }

    private static Outcome with(Outcome of, String verdict) {
        return new Outcome(of.id(), of.shard(), of.key(), verdict, of.regime(), of.received(), of.windowEnd());
    }

    @Test
    void sweep_longValues_areReadInParts() {
        List<Outcome> all = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            Outcome each = outcome(i);
            engine.apply(
                            "test",
                            List.of(new Operation.Write(
                                    each.stateKey(),
                                    each.json().replace("{", "{\"pad\":\"" + "x".repeat(40_000) + "\","),
                                    Operation.ANY_VERSION)),
                            "")
                    .toCompletableFuture()
                    .join();
            all.add(each);
        }
        catchUp();

        assertThat(ids(everything())).hasSameSizeAs(all);
    }

    @Test
    void queries_indexBuiltAndThenUpdated_findTheSameAsAList() {
        recordSome(0, 1_500);
        catchUp();
        compare(100);
        recordSome(1_500, 2_000);
        recordSome(200, 300); // replaces earlier outcomes
        catchUp();
        compare(100);
    }

    @Test
    void directory_reopenedOrDamagedOrOfAnotherEngine_answersCorrectly() throws IOException {
        index = new RecordIndex(engine, directory);
        recordSome(0, 500);
        catchUp();
        index.close();

        recordSome(500, 600);
        index = new RecordIndex(engine, directory);
        catchUp();
        compare(20);
        index.close();

        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.filter(each -> each.getFileName().toString().startsWith("MANIFEST"))
                    .toList()) {
                Files.write(file, new byte[100]);
            }
        }
        index = new RecordIndex(engine, directory);
        catchUp();
        compare(20);
        index.close();

        try (StateEngine other = MemoryEngine.started()) {
            index = new RecordIndex(other, directory);
            catchUp();
            assertThat(new RecordedOutcomes(other, index, false)
                            .outcomes(new Wanted(null, null, null, null, EVER, EVER, Order.OLDEST, 10, null))
                            .lines())
                    .isEmpty();
            index.close();
        }
    }

    @Test
    void directory_tableDamaged_isBuiltAgain() throws IOException {
        index = new RecordIndex(engine, directory);
        recordSome(0, 500);
        catchUp();
        index.close(); // writes the tables
        try (Stream<Path> files = Files.list(directory)) {
            for (Path table :
                    files.filter(each -> each.toString().endsWith(".sst")).toList()) {
                byte[] bytes = Files.readAllBytes(table);
                for (int at = 100; at < bytes.length / 2; at += 500) { // not the blocks at the end, which an open reads
                    bytes[at] ^= 1;
                }
                Files.write(table, bytes);
            }
        }

        index = new RecordIndex(engine, directory);
        await().ignoreExceptionsInstanceOf(StateException.class).untilAsserted(() -> {
            catchUp();
            compare(20);
        });
        index.close();
    }

    @Test
    void compactedHistory_isBuiltFromTheRecord() {
        index = new RecordIndex(engine, directory);
        recordSome(0, 300);
        catchUp();
        index.close();
        recordSome(200, 400);
        engine.history().compact(new At.Now());

        index = new RecordIndex(engine, directory);
        catchUp();

        compare(50);
    }

    @Test
    void removedOutcomes_areNotFoundAndTheirEntriesAreRemoved() {
        recordSome(0, 300);
        catchUp();
        engine.history().trim(RecordedOutcomes.NAMESPACE, new At.Now());
        recorded.clear();
        start = START.plusSeconds(1_000);
        recordSome(300, 400);
        catchUp();
        compare(50);

        for (int i = 0; i < 1_000; i++) {
            index.step();
        }

        assertThat(index.withId("", 1_000)).hasSize(100);
    }

    @Test
    void ids_areFoundByPrefix() {
        recordSome(0, 300);
        catchUp();
        Outcome one = recorded.get(7);

        assertThat(outcomes().withId(one.id().substring(0, 8), 10))
                .singleElement()
                .satisfies(
                        line -> assertThat(json(line).get("pcs_id").textValue()).isEqualTo(one.id()));
        assertThat(outcomes().withId("0".repeat(64), 10)).isEmpty();
    }

    @Test
    void query_beforeTheIndexIsComplete_isRefused() {
        recordSome(0, 5_000);
        assertThat(index.step()).isTrue();

        assertThatThrownBy(() -> outcomes().withId("00000000", 10))
                .isInstanceOf(StateException.class)
                .hasMessage("the index of the record is being built; try again later");
    }
}
