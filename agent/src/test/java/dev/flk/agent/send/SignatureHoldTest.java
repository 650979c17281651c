// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.SendQueue.Queued;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SignatureHoldTest {
    private static final String SHARD = "s";
    private static final long LATER = Duration.ofMinutes(2).toNanos();

    @TempDir
    Path directory;

    private Outbox outbox;
    private SendQueue queue;
    private SignatureHold hold;

    @BeforeEach
    void open() throws IOException {
        outbox = Outbox.open(new OutboxOptions(directory, 64 << 20, 0), InstantSource.system());
        for (int i = 0; i < 4; i++) {
            outbox.append(List.of("{}".getBytes(StandardCharsets.UTF_8)));
        }
        queue = new SendQueue(outbox);
        hold = new SignatureHold(queue, new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(60), new Random(1)));
    }

    @AfterEach
    void close() throws IOException {
        outbox.close();
    }

    private Queued take(long nowNanos) {
        Queued taken = queue.take(nowNanos, 1, 1_000).get(0);
        taken.sent++;
        return taken;
    }

    private Queued send(long nowNanos) {
        Queued sent = take(nowNanos);
        assertThat(hold.admits(sent, SHARD)).isTrue();
        return sent;
    }

    private void forget() {
        hold.reset(new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(60), new Random(1)));
    }

    private boolean anythingToTake(long nowNanos) {
        List<Queued> taken = queue.take(nowNanos, 1, 1_000);
        taken.forEach(queue::retry);
        return !taken.isEmpty();
    }

    @Test
    void refused_noneAccepted_retriesWithBackoff() {
        Queued queued = take(0);

        assertThat(hold.refused(queued, SHARD, 0)).isFalse();
        for (long now = 0; now < 5 * LATER; now += LATER) {
            hold.step(now);
            assertThat(queued.probe).isFalse();
            assertThat(hold.nextProbeNanos().orElseThrow()).isGreaterThan(now);
            hold.step(now + LATER);
            assertThat(queued.probe).isTrue();
            assertThat(hold.refused(queued, SHARD, now + LATER)).isFalse();
        }
    }

    @Test
    void refused_againAfterAnotherOfTheShardWasAccepted_deadLetters() {
        Queued queued = send(0);
        hold.refused(queued, SHARD, 0);
        queue.take(0, 1, 1_000).forEach(next -> hold.admits(next, SHARD));
        hold.step(0);
        Queued other = send(0);
        assertThat(other).isNotSameAs(queued);

        hold.accepted(other, SHARD);

        queue.take(0, 4, 1_000).forEach(next -> hold.admits(next, SHARD));
        assertThat(hold.refused(queued, SHARD, 0)).isTrue();
    }

    /** Simulates a key change on the backend: the acceptance was sent before the refusal, but took longer to arrive. */
    @Test
    void refused_againAfterAnotherSentBeforeTheRefusalWasAccepted_isHeld() {
        Queued other = send(0);
        Queued queued = send(0);
        hold.refused(queued, SHARD, 0);

        hold.accepted(other, SHARD);

        queue.take(0, 4, 1_000).forEach(next -> hold.admits(next, SHARD));
        assertThat(hold.refused(queued, SHARD, 0)).isFalse();
        assertThat(hold.heldShards()).isEqualTo(1);
    }

    /**
     * Simulates an acceptance while the refused certificate is on its way again: the backend may have learnt the key in
     * between.
     */
    @Test
    void refused_againSentBeforeTheOtherWasAccepted_isHeld() {
        Queued queued = send(0);
        Queued sentBefore = send(0);
        hold.refused(queued, SHARD, 0);
        hold.accepted(sentBefore, SHARD);
        List<Queued> sent = queue.take(0, 4, 1_000);
        assertThat(sent).contains(queued);
        sent.forEach(next -> hold.admits(next, SHARD));

        hold.accepted(sent.stream().filter(next -> next != queued).findFirst().orElseThrow(), SHARD);

        assertThat(hold.refused(queued, SHARD, 0)).isFalse();
        assertThat(hold.heldShards()).isOne();
    }

    @Test
    void refused_signedByAnOldKey_holdsNothingAndIsSentAgain() {
        Queued refusedBefore = send(0);
        Queued other = send(0);
        hold.refused(refusedBefore, SHARD, 0);
        hold.step(LATER);
        assertThat(send(LATER)).isSameAs(refusedBefore);

        forget();

        assertThat(hold.refused(other, SHARD, LATER)).isFalse();
        assertThat(hold.heldShards()).isZero();
        assertThat(anythingToTake(LATER)).isTrue();
        hold.accepted(send(LATER), SHARD);
        assertThat(hold.refused(refusedBefore, SHARD, LATER)).isFalse();
    }

    @Test
    void refused_firstAfterAnotherWasAccepted_isHeld() {
        hold.accepted(send(0), SHARD);

        assertThat(hold.refused(send(0), SHARD, 0)).isFalse();
        assertThat(hold.heldShards()).isOne();
    }

    @Test
    void refused_againAfterAnotherShardWasAccepted_isHeld() {
        Queued queued = send(0);
        hold.refused(queued, SHARD, 0);
        Queued other = take(0);
        assertThat(hold.admits(other, "t")).isTrue();

        hold.accepted(other, "t");

        hold.step(LATER);
        assertThat(send(LATER)).isSameAs(queued);
        assertThat(hold.refused(queued, SHARD, LATER)).isFalse();
        assertThat(hold.heldShards()).isOne();
    }

    @Test
    void held_otherEntriesOfTheShard_waitExceptForOneProbe() {
        Queued refused = take(0);
        hold.refused(refused, SHARD, 0);
        for (Queued other : queue.take(0, 3, 1_000)) {
            assertThat(hold.admits(other, SHARD)).isFalse();
            assertThat(hold.admits(other, "t")).isTrue();
        }

        hold.step(0);
        Queued look = take(0);

        assertThat(look).isNotSameAs(refused);
        assertThat(hold.admits(look, SHARD)).isTrue();
        hold.step(LATER);
        assertThat(anythingToTake(LATER)).as("one at a time").isFalse();
    }

    @Test
    void held_probeAccepted_releasesTheOthers() {
        hold.refused(take(0), SHARD, 0);
        queue.take(0, 3, 1_000).forEach(other -> hold.admits(other, SHARD));
        hold.step(0);

        hold.accepted(take(0), SHARD);

        assertThat(hold.heldShards()).isZero();
        assertThat(queue.take(0, 10, 1_000)).hasSize(3);
    }

    @Test
    void held_probeNotAnswered_isHeldAndBecomesTheProbeAgain() {
        Queued refused = send(0);
        hold.refused(refused, SHARD, 0);
        hold.step(LATER);
        assertThat(send(LATER)).isSameAs(refused);

        hold.unanswered(refused, SHARD);

        assertThat(hold.heldShards()).isEqualTo(1);
        assertThat(hold.admits(refused, SHARD)).isFalse();
        hold.step(LATER);
        assertThat(refused.probe).isTrue();
    }

    @Test
    void reset_newKey_releasesAllAndGivesNothingUp() {
        Queued refused = send(0);
        hold.refused(refused, SHARD, 0);
        queue.take(0, 1, 1_000).forEach(next -> hold.admits(next, SHARD));
        hold.step(0);
        hold.accepted(send(0), SHARD);

        forget();

        assertThat(hold.heldShards()).isZero();
        List<Queued> sent = queue.take(0, 4, 1_000);
        assertThat(sent).contains(refused).allMatch(next -> hold.admits(next, SHARD));
        assertThat(hold.refused(refused, SHARD, 0))
                .as("the first refusal of this key")
                .isFalse();
    }
}
