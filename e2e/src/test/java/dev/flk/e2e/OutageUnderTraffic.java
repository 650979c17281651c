// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.Traffic.Sent;
import java.time.Duration;
import java.util.List;

/**
 * An outage of a store while a backend is under traffic, with checks of the guarantee: during the outage, every answer
 * is a 503; afterwards, all submissions are decided without a retry, none is lost, and none is decided twice. {@code
 * begins}, {@code lasts}, {@code ends} and {@code assertNoneLostNorDoubled} must be called in this order.
 */
final class OutageUnderTraffic implements AutoCloseable {
    private static final int PER_SECOND = 100;

    private final Client client;
    private final Traffic traffic;
    private long noticedNanos;

    /** Blocks until the backend is ready, and starts the traffic. */
    OutageUnderTraffic(ServedBackend backend) {
        client = new Client(backend.url());
        client.awaitReady();
        traffic = new Traffic(backend.url(), 1, PER_SECOND);
    }

    /** Blocks until {@code more} additional submissions are answered. */
    void awaitAnswers(int more) {
        int before = traffic.answered().size();
        Client.awaitUntil(() -> traffic.answered().size() >= before + more);
    }

    /** Waits for a second's worth of answers, starts the outage, and blocks until the backend detects it. */
    void begins(Runnable begin) throws Exception {
        awaitAnswers(PER_SECOND);
        begin.run();
        client.awaitUnready();
        noticedNanos = System.nanoTime();
        assertThat(client.get("/health").body()).isEqualTo("OK");
        assertThat(client.get("/readyz").body()).contains("{\"name\":\"dedup\",\"ready\":false");
        assertThat(client.metric("flk_dedup_up")).isZero();
    }

    /**
     * Blocks until as many submissions are answered as are sent in {@code atLeast}, counting only those sent after the
     * outage was detected. Checks that each answer is a 503 that names the store.
     */
    void lasts(Duration atLeast) {
        await().atMost(atLeast.plus(Client.PATIENCE)).until(() -> during().size() >= atLeast.toSeconds() * PER_SECOND);
        assertThat(during()).allSatisfy(OutageUnderTraffic::assertStoreReported);
    }

    private List<Sent> during() {
        return traffic.answered().stream()
                .filter(one -> one.sentNanos() - noticedNanos > 0)
                .toList();
    }

    private static void assertStoreReported(Sent one) {
        assertThat(one.status()).isEqualTo(503);
        assertThat(one.body()).isEqualTo("{\"error\":\"dedup store unavailable\"}");
    }

    /**
     * Ends the outage. Blocks until every pending submission is decided and the backend has answered another second's
     * worth of submissions. Then ends the traffic, and blocks until nothing is pending.
     */
    void ends(Runnable end) {
        end.run();
        client.awaitReady();
        client.awaitNothingPending();
        awaitAnswers(PER_SECOND);
        traffic.end();
        client.awaitNothingPending();
    }

    void assertNoneLostNorDoubled() throws Exception {
        List<Sent> all = traffic.sent();
        assertThat(all).allSatisfy(one -> assertThat(one.status()).isIn(200, 503));
        assertThat(client.metric("flk_accepted")).isEqualTo(all.size());
        assertThat(client.metric("flk_overruled_total")).isZero();
        assertThat(client.metric("flk_lost_outcomes_total")).isZero();
        Traffic.resubmit(client, all, OutageUnderTraffic::assertSame);
        assertThat(client.metric("flk_accepted")).isEqualTo(all.size());
    }

    private static void assertSame(Sent before, Answer again) {
        assertThat(again.status()).isEqualTo(200);
        assertThat(again.has("X-Flk-Duplicate")).isTrue();
        assertThat(again.has("X-Flk-Conflict")).isFalse();
        if (before.status() == 200) {
            assertThat(again.body()).isEqualTo(before.body());
        }
    }

    @Override
    public void close() {
        traffic.close();
    }
}
