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
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SignatureHoldTest {
    private static final String SHARD = "s";
    private static final long LATER = Duration.ofMinutes(2).toNanos();
    private static final Duration GRACE = Duration.ofDays(1);
    private static final BackendKeys BY = keys("b", "1");

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
        hold = new SignatureHold(queue, backoff(), GRACE);
    }

    @AfterEach
    void close() throws IOException {
        outbox.close();
    }

    private static Backoff backoff() {
        return new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(60), new Random(1));
    }

    private static BackendKeys keys(String instance, String state) {
        return new BackendKeys(instance.repeat(16), state.repeat(16));
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
        hold.reset(backoff(), GRACE, 0);
    }

    private boolean anythingToTake(long nowNanos) {
        List<Queued> taken = queue.take(nowNanos, 1, 1_000);
        taken.forEach(queue::retry);
        return !taken.isEmpty();
    }

    @Test
    void refused_noneAccepted_retriesWithBackoff() {
        Queued queued = take(0);

        assertThat(hold.refused(queued, SHARD, BY, 0)).isFalse();
        for (long now = 0; now < 5 * LATER; now += LATER) {
            hold.step(now);
            assertThat(queued.probe).isFalse();
            assertThat(hold.nextProbeNanos().orElseThrow()).isGreaterThan(now);
            hold.step(now + LATER);
            assertThat(queued.probe).isTrue();
            assertThat(hold.refused(queued, SHARD, BY, now + LATER)).isFalse();
        }
    }

    /**
     * Simulates an acceptance while the refused certificate is on its way again: the backend may have learnt the key in
     * between.
     */
    @Test
    void refused_againSentBeforeTheOtherWasAccepted_isHeld() {
        Queued queued = send(0);
        Queued sentBefore = send(0);
        hold.refused(queued, SHARD, BY, 0);
        hold.accepted(sentBefore, SHARD, BY, 0);
        List<Queued> sent = queue.take(0, 4, 1_000);
        assertThat(sent).contains(queued);
        sent.forEach(next -> hold.admits(next, SHARD));

        hold.accepted(sent.stream().filter(next -> next != queued).findFirst().orElseThrow(), SHARD, BY, 0);

        assertThat(hold.refused(queued, SHARD, BY, 0)).isFalse();
        assertThat(hold.heldEntries()).isOne();
    }

    /** Has an entry refused, another one sent and accepted, and the first one sent again; returns the first. */
    private Queued sentAgainAfterAnAcceptance(BackendKeys refusedBy, BackendKeys acceptedBy) {
        Queued queued = send(0);
        hold.refused(queued, SHARD, refusedBy, 0);
        queue.take(0, 3, 1_000).forEach(next -> hold.admits(next, SHARD));
        hold.step(0);
        hold.accepted(send(0), SHARD, acceptedBy, 0);
        assertThat(queue.take(0, 4, 1_000)).contains(queued).allMatch(next -> hold.admits(next, SHARD));
        return queued;
    }

    @Test
    void refused_againByTheSameBackendThatAcceptedAnother_isBad() {
        assertThat(hold.refused(sentAgainAfterAnAcceptance(BY, BY), SHARD, BY, 0))
                .isTrue();
    }

    /** Simulates a balancer: the answers of another backend between those of the first say nothing about it. */
    @Test
    void refused_byAnotherBackendInBetween_isBadOnceTheFirstRefusesAgain() {
        Queued queued = sentAgainAfterAnAcceptance(BY, BY);
        assertThat(hold.refused(queued, SHARD, keys("a", "1"), 0)).isFalse();
        assertThat(send(LATER)).isSameAs(queued);

        assertThat(hold.refused(queued, SHARD, BY, LATER)).isTrue();
    }

    @Test
    void refused_byManyBackends_remembersALimitedNumber() {
        Queued queued = sentAgainAfterAnAcceptance(BY, BY);
        for (int i = 0; i < 100; i++) {
            assertThat(hold.refused(queued, SHARD, new BackendKeys("%016x".formatted(i), "0"), LATER))
                    .isFalse();
            assertThat(hold.admits(queued, SHARD)).isTrue();
        }

        assertThat(hold.refused(queued, SHARD, BY, LATER)).as("forgotten").isFalse();
    }

    /** Accepts another entry of the shard every {@code every}, several times; returns the time of the last. */
    private long acceptOther(Queued other, long nowNanos, Duration every, long times) {
        long now = nowNanos;
        for (int i = 0; i < times; i++) {
            now += every.toNanos();
            assertThat(hold.admits(other, SHARD)).isTrue();
            hold.accepted(other, SHARD, null, now);
        }
        return now;
    }

    @Test
    void refused_withoutHeaders_isBadAfterTheGrace() {
        Queued queued = send(0);
        Queued other = send(0);
        hold.refused(queued, SHARD, null, 0);
        hold.accepted(other, SHARD, null, 0);

        long now = acceptOther(other, 0, Duration.ofMinutes(30), 47);
        assertThat(hold.admits(queued, SHARD)).isTrue();
        assertThat(hold.refused(queued, SHARD, null, now)).as("just before").isFalse();
        now = acceptOther(other, now, Duration.ofMinutes(30), 1);
        assertThat(hold.admits(queued, SHARD)).isTrue();
        assertThat(hold.refused(queued, SHARD, null, now)).isTrue();
    }

    @Test
    void refused_withoutHeaders_rarelyAccepted_timeWithoutAnAcceptanceDoesNotCount() {
        Queued queued = send(0);
        Queued other = send(0);
        hold.refused(queued, SHARD, null, 0);
        hold.accepted(other, SHARD, null, 0);

        long now = acceptOther(other, 0, Duration.ofHours(10), 23);

        assertThat(hold.admits(queued, SHARD)).isTrue();
        assertThat(hold.refused(queued, SHARD, null, now)).isFalse();
    }

    @Test
    void refused_manyTimesWhileOthersAreAccepted_waitsAsASuspectAndNobodyElseWaits() {
        Queued queued = sentAgainAfterAnAcceptance(BY, BY);
        long now = 0;
        for (int i = 0; i < 20; i++) {
            assertThat(hold.refused(queued, SHARD, null, now)).isFalse();
            assertThat(hold.heldShards()).isZero();
            now += LATER;
            hold.step(now);
            assertThat(send(now)).isSameAs(queued);
        }
        assertThat(queued.probe).isTrue();
    }

    @Test
    void accepted_suspect_sendsAllSuspectsAgain() {
        List<Queued> both = new ArrayList<>(List.of(send(0), send(0)));
        Queued other = send(0);
        take(0); // is not needed
        both.forEach(each -> hold.refused(each, SHARD, null, 0));
        hold.accepted(other, SHARD, null, 0);
        for (int i = 0; i < 6; i++) {
            assertThat(queue.take(LATER, 2, 1_000)).containsExactlyInAnyOrderElementsOf(both);
            both.forEach(each -> assertThat(hold.admits(each, SHARD)).isTrue());
            both.forEach(each -> hold.refused(each, SHARD, null, 0));
        }
        assertThat(queue.take(LATER, 1, 1_000)).as("suspects wait").noneMatch(both::contains);
        hold.step(LATER);
        Queued probe = send(LATER);
        assertThat(queue.take(LATER, 1, 1_000)).as("one at a time").noneMatch(both::contains);

        hold.accepted(probe, SHARD, null, LATER);

        both.remove(probe);
        assertThat(queue.take(LATER, 1, 1_000)).containsExactlyElementsOf(both);
        assertThat(hold.heldEntries()).isOne();
    }

    @Test
    void refused_threeRoundsOfOtherEntries_holdsTheShard() {
        Queued other = send(0);
        hold.refused(send(0), SHARD, BY, 0);
        hold.accepted(other, SHARD, BY, 0);
        assertThat(hold.heldShards()).isZero();
        for (int i = 0; i < 3; i++) {
            assertThat(hold.heldShards()).isZero();
            Queued fresh = new Queued(other.entry, 0);
            assertThat(hold.admits(fresh, SHARD)).isTrue();
            hold.refused(fresh, SHARD, BY, 0);
        }

        assertThat(hold.heldShards()).isOne();
    }

    @Test
    void lagging_onlyRefusesWhileAnotherAccepts_isNamedUntilItAccepts() {
        BackendKeys old = keys("a", "1");
        Queued other = send(0);
        for (int i = 0; i < 3; i++) {
            hold.refused(send(LATER * i), SHARD, old, 0);
            hold.accepted(other, SHARD, BY, 0);
        }
        assertThat(hold.lagging(0)).containsExactly(old.instance());
        assertThat(hold.lagging(Duration.ofMinutes(10).toNanos())).isEmpty();

        hold.accepted(other, SHARD, keys("a", "2"), 0);

        assertThat(hold.lagging(0)).isEmpty();
    }

    @Test
    void refused_signedByAnOldKey_holdsNothingAndIsSentAgain() {
        Queued refusedBefore = send(0);
        Queued other = send(0);
        hold.refused(refusedBefore, SHARD, BY, 0);
        hold.step(LATER);
        assertThat(send(LATER)).isSameAs(refusedBefore);

        forget();

        assertThat(hold.refused(other, SHARD, BY, LATER)).isFalse();
        assertThat(hold.heldShards()).isZero();
        assertThat(anythingToTake(LATER)).isTrue();
        hold.accepted(send(LATER), SHARD, BY, 0);
        assertThat(hold.refused(refusedBefore, SHARD, BY, LATER)).isFalse();
    }

    @Test
    void refused_firstAfterAnotherWasAccepted_isHeldAlone() {
        hold.accepted(send(0), SHARD, BY, 0);

        assertThat(hold.refused(send(0), SHARD, BY, 0)).isFalse();
        assertThat(hold.heldEntries()).isOne();
        assertThat(hold.heldShards()).isZero();
    }

    @Test
    void accepted_signedByAnOldKey_saysNothingAboutTheNewKey() {
        Queued signedBefore = send(0);
        Queued sentBefore = send(0);
        forget();
        hold.accepted(sentBefore, SHARD, BY, 0);
        hold.refused(send(0), SHARD, BY, 0);
        assertThat(hold.heldShards()).isOne();

        hold.accepted(signedBefore, SHARD, BY, 0);

        assertThat(hold.heldShards()).isOne();
    }

    @Test
    void refused_firstLongAfterAnotherWasAccepted_holdsTheShard() {
        hold.accepted(send(0), SHARD, BY, 0);

        assertThat(hold.refused(send(0), SHARD, BY, Duration.ofMinutes(10).toNanos()))
                .isFalse();
        assertThat(hold.heldShards()).isOne();
    }

    @Test
    void refused_againAfterAnotherShardWasAccepted_isHeld() {
        Queued queued = send(0);
        hold.refused(queued, SHARD, BY, 0);
        Queued other = take(0);
        assertThat(hold.admits(other, "t")).isTrue();

        hold.accepted(other, "t", BY, 0);

        hold.step(LATER);
        assertThat(send(LATER)).isSameAs(queued);
        assertThat(hold.refused(queued, SHARD, BY, LATER)).isFalse();
        assertThat(hold.heldShards()).isOne();
    }

    @Test
    void held_otherEntriesOfTheShard_waitExceptForOneProbe() {
        Queued refused = take(0);
        hold.refused(refused, SHARD, BY, 0);
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
        hold.refused(take(0), SHARD, BY, 0);
        queue.take(0, 3, 1_000).forEach(other -> hold.admits(other, SHARD));
        hold.step(0);

        hold.accepted(take(0), SHARD, BY, 0);

        assertThat(hold.heldShards()).isZero();
        assertThat(queue.take(0, 10, 1_000)).hasSize(3);
    }

    @Test
    void held_probeNotAnswered_isHeldAndBecomesTheProbeAgain() {
        Queued refused = send(0);
        hold.refused(refused, SHARD, BY, 0);
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
        hold.refused(refused, SHARD, BY, 0);
        queue.take(0, 1, 1_000).forEach(next -> hold.admits(next, SHARD));
        hold.step(0);
        hold.accepted(send(0), SHARD, BY, 0);

        forget();

        assertThat(hold.heldShards()).isZero();
        List<Queued> sent = queue.take(0, 4, 1_000);
        assertThat(sent).contains(refused).allMatch(next -> hold.admits(next, SHARD));
        assertThat(hold.refused(refused, SHARD, BY, 0))
                .as("the first refusal of this key")
                .isFalse();
    }
}
