// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The contract of all stores. Each subclass tests one kind of store. */
abstract class DedupStoreContract {
    private static final long EXPIRY = 2_000_000;

    @TempDir
    protected Path directory;

    protected long nowMillis = 1_000_000;

    protected DedupStore store;

    abstract DedupStore open();

    protected final Instant now() {
        return Instant.ofEpochMilli(nowMillis);
    }

    @BeforeEach
    void openStore() {
        store = open();
        assertThat(connect()).isEmpty();
    }

    @AfterEach
    void closeStore() {
        store.close();
    }

    static StoredOutcome recorded(int number, String body) {
        return recorded(number, body, EXPIRY);
    }

    static StoredOutcome recorded(int number, String body, long expiresAtMillis) {
        byte[] digest = new byte[ContentDigest.LENGTH_BYTES];
        digest[0] = (byte) body.hashCode();
        return new StoredOutcome(
                id(number),
                body.length() % 2 == 0 ? 200 : 202,
                body.getBytes(StandardCharsets.UTF_8),
                ContentDigest.of(digest),
                "00112233445566%02x".formatted(number & 0xff),
                expiresAtMillis);
    }

    static PcsId id(int number) {
        return PcsId.of("root", number, "shard");
    }

    protected final List<StoredOutcome> put(StoredOutcome... decisions) {
        return put(0, decisions);
    }

    protected final List<StoredOutcome> put(long completeUpTo, StoredOutcome... decisions) {
        return store.putIfAbsent(List.of(decisions), completeUpTo)
                .toCompletableFuture()
                .join();
    }

    protected final OptionalLong connect() {
        return store.connect().toCompletableFuture().join();
    }

    protected final List<Optional<StoredOutcome>> get(PcsId... ids) {
        return store.get(List.of(ids)).toCompletableFuture().join();
    }

    @Test
    void get_unknownId_isEmpty() {
        assertThat(get(id(1), id(2))).containsExactly(Optional.empty(), Optional.empty());
        assertThat(get()).isEmpty();
    }

    @Test
    void put_absent_isStoredAndReadBackCompletely() {
        assertThat(put(recorded(1, "a"), recorded(2, "bb"))).containsExactly(recorded(1, "a"), recorded(2, "bb"));
        assertThat(get(id(2), id(3), id(1)))
                .containsExactly(Optional.of(recorded(2, "bb")), Optional.empty(), Optional.of(recorded(1, "a")));
    }

    @Test
    void put_present_returnsTheFirstAndChangesNothing() {
        put(recorded(1, "first"));
        assertThat(put(recorded(1, "second"), recorded(2, "new")))
                .containsExactly(recorded(1, "first"), recorded(2, "new"));
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "first")));
    }

    @Test
    void put_sameAgain_returnsItself() {
        put(recorded(1, "first"));
        assertThat(put(recorded(1, "first"))).containsExactly(recorded(1, "first"));
    }

    @Test
    void expired_isAbsentFromItsExpiryOn() {
        put(recorded(1, "first", nowMillis + 100_000));
        nowMillis += 99_999;
        assertThat(get(id(1))).isNotEqualTo(List.of(Optional.empty()));
        nowMillis += 1;
        assertThat(get(id(1))).containsExactly(Optional.empty());
        assertThat(put(recorded(1, "second"))).containsExactly(recorded(1, "second"));
        assertThat(get(id(1))).containsExactly(Optional.of(recorded(1, "second")));
    }

    @Test
    void body_ofAnyBytes_isKept() {
        StoredOutcome odd = recorded(1, "é\n \n\u0000\"}");
        put(odd);
        assertThat(get(id(1))).containsExactly(Optional.of(odd));
    }

    @Test
    void body_ofAnyLength_isKept() {
        StoredOutcome[] all = IntStream.of(0, 1, 200, 855, 856, 857, 858, 859, 860, 861, 1_024, 70_000)
                .mapToObj(length -> recorded(length, "x".repeat(length)))
                .toArray(StoredOutcome[]::new);
        assertThat(put(all)).containsExactly(all);
        assertThat(get(Stream.of(all).map(StoredOutcome::id).toArray(PcsId[]::new)))
                .containsExactlyElementsOf(Stream.of(all).map(Optional::of).toList());
    }

    @Test
    void put_fromManyThreadsAtOnce_oneWins() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(8);
        try {
            for (int round = 0; round < 50; round++) {
                int number = round;
                List<Callable<StoredOutcome>> tasks = new ArrayList<>();
                for (int i = 0; i < 8; i++) {
                    String body = "thread " + i;
                    tasks.add(() -> put(recorded(number, body)).get(0));
                }
                List<StoredOutcome> winners = new ArrayList<>();
                for (Future<StoredOutcome> winner : pool.invokeAll(tasks)) {
                    winners.add(winner.get());
                }
                assertThat(winners).containsOnly(winners.get(0));
                assertThat(get(id(number))).containsExactly(Optional.of(winners.get(0)));
            }
        } finally {
            pool.shutdown();
        }
    }

    @Test
    void put_duringLookUpsByManyThreads_oneWins() throws Exception {
        int threads = 4;
        int ids = 200;
        ExecutorService executor = Executors.newFixedThreadPool(threads);
        try {
            List<Future<List<StoredOutcome>>> all = executor.invokeAll(IntStream.range(0, threads)
                    .<Callable<List<StoredOutcome>>>mapToObj(thread -> () -> {
                        List<StoredOutcome> existing = new ArrayList<>();
                        for (int number = 0; number < ids; number++) {
                            get(id(number));
                            existing.addAll(put(recorded(number, "of " + thread)));
                        }
                        return existing;
                    })
                    .toList());
            List<StoredOutcome> first = all.get(0).get();
            for (Future<List<StoredOutcome>> each : all) {
                assertThat(each.get()).isEqualTo(first);
            }
            for (int number = 0; number < ids; number++) {
                assertThat(get(id(number))).containsExactly(Optional.of(first.get(number)));
            }
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void newStore_hasNoPositionAndHasRoom() {
        assertThat(connect()).isEmpty();
        assertThat(store.hasRoomFor(1)).isTrue();
    }
}
