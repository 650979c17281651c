// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import dev.flk.agent.outbox.Requeue.Counts;
import dev.flk.agent.outbox.Requeue.Selection;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RequeueTest {
    private static final Instant NOW = Instant.parse("2026-11-20T08:00:00Z");
    private static final Selection TODAY =
            new Selection(NOW.minusSeconds(3_600), Optional.empty(), Optional.empty(), Instant.EPOCH);

    @TempDir
    Path directory;

    private Instant time = NOW;

    private Outbox open() throws IOException {
        return open(64 << 20);
    }

    private Outbox open(long maxBytes) throws IOException {
        return Outbox.open(new OutboxOptions(directory.resolve("outbox"), maxBytes, 0), (InstantSource) () -> time);
    }

    private static byte[] certificate(int number) {
        return ("{\"shard_id\":\"shard-" + number + "\"}").getBytes(StandardCharsets.UTF_8);
    }

    private static void settle(Outbox outbox, SettledAs how) {
        outbox.settle(how, outbox.pendingAfter(0, Integer.MAX_VALUE));
    }

    private static List<Long> pending(Outbox outbox) {
        return outbox.pendingAfter(0, Integer.MAX_VALUE).stream()
                .map(OutboxEntry::sequence)
                .toList();
    }

    @Test
    void requeue_settled_waitsAgain_alsoAfterRestarts_andOnlyOnce() throws Exception {
        try (Outbox outbox = open()) {
            outbox.append(List.of(certificate(1), certificate(2)));
            settle(outbox, SettledAs.ACCEPTED);
            outbox.append(List.of(certificate(3)));
            settle(outbox, SettledAs.DEAD);

            assertThat(outbox.requeue(TODAY).certificates()).isEqualTo(2);
            assertThat(outbox.requeue(TODAY).certificates()).isZero();
        }
        try (Outbox outbox = open()) {
            List<OutboxEntry> waiting = outbox.pendingAfter(0, 3);
            assertThat(waiting).extracting(OutboxEntry::sequence).containsExactly(1L, 2L);
            // MAX_AGE counts from the first time that a backend may have had them
            assertThat(waiting).extracting(OutboxEntry::unansweredSinceMillis).containsOnly(NOW.toEpochMilli());
            assertThat(outbox.bodies(waiting).values()).containsExactly(certificate(1), certificate(2));
            settle(outbox, SettledAs.ACCEPTED);
        }
        try (Outbox outbox = open()) {
            assertThat(pending(outbox)).isEmpty();
            assertThat(outbox.requeue(TODAY).certificates()).isEqualTo(2);
        }
    }

    @Test
    void requeue_selects_byTimesAndShard_andLeavesOutWhatIsTooOld() throws Exception {
        try (Outbox outbox = open()) {
            for (int i = 1; i <= 3; i++) {
                time = NOW.plus(Duration.ofHours(i));
                outbox.append(List.of(certificate(i)));
                settle(outbox, SettledAs.ESCALATED);
            }
            Selection none = new Selection(time.plusSeconds(601), Optional.empty(), Optional.empty(), Instant.EPOCH);
            assertThat(outbox.requeue(none).certificates()).isZero();
            Optional<Instant> until = Optional.of(NOW.plus(Duration.ofHours(2)));
            Selection second = new Selection(NOW, until, Optional.of("shard-2"), NOW.plus(Duration.ofHours(2)));
            assertThat(outbox.requeue(second).certificates()).isEqualTo(1);
            assertThat(pending(outbox)).hasSize(1);
            Selection old = new Selection(NOW, until, Optional.empty(), NOW.plus(Duration.ofHours(2)));
            assertThat(outbox.requeue(old)).isEqualTo(new Counts(0, 0, 1));
        }
    }

    @Test
    void requeue_noRoom_changesNothing() throws Exception {
        try (Outbox outbox = open()) {
            outbox.append(
                    IntStream.range(0, 100).mapToObj(RequeueTest::certificate).toList());
            settle(outbox, SettledAs.ACCEPTED);
        }
        try (Outbox outbox = open(10_000)) {
            assertThatIOException()
                    .isThrownBy(() -> outbox.requeue(TODAY))
                    .withMessageContaining("give --until or --shard, or raise OUTBOX_MAX_BYTES");
            assertThat(pending(outbox)).isEmpty();
        }
    }

    @Test
    void again_isSentAfterNewCertificates_alsoAfterARestart() throws Exception {
        try (Outbox outbox = open()) {
            outbox.append(List.of(certificate(1)));
            settle(outbox, SettledAs.ACCEPTED); // on disk once the outbox is closed
        }
        try (Outbox outbox = open()) {
            assertThat(outbox.requeue(TODAY).certificates()).isEqualTo(1);
            outbox.append(List.of(certificate(2)));
        }
        try (Outbox outbox = open()) {
            List<OutboxEntry> all = outbox.pendingAfter(0, 2);
            assertThat(outbox.isAgain(all.get(0))).isTrue();
            assertThat(outbox.isAgain(all.get(1))).isFalse();
            assertThat(outbox.pollAgain()).hasValue(all.get(0).sequence());
            assertThat(outbox.pollAgain()).isEmpty();
        }
    }
}
