// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.limit;

import static dev.flk.program.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.limit.Limits.LimitedBy;
import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.program.metrics.Metrics;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/**
 * Tests of the limits: 100 certificates per second from all senders with bursts of 200, 10 per second from a shard, 10
 * failures per second from an address with bursts of 20, and 2 connections from an address.
 */
final class LimitsTest {
    private static final long SECOND = 1_000_000_000;

    private final AtomicLong now = new AtomicLong(77);
    private Metrics metrics = new Metrics("none");
    private final Limits limits = limits(BigDecimal.TEN, BigDecimal.TEN);

    private Limits limits(@Nullable BigDecimal shardRate, BigDecimal failureRate) {
        Limits.Sizes sizes = new Limits.Sizes(new BigDecimal(100), 200, shardRate, failureRate, 20, 2);
        metrics = new Metrics("test");
        return new Limits(sizes, now::get, metrics);
    }

    private static Submitter from(String address) throws UnknownHostException {
        return Submitter.from(InetAddress.getByName(address));
    }

    private static boolean sendsNew(Limits limits, Submitter sender, String shard) {
        return limits.admit(sender).isEmpty()
                && limits.takeNew(sender, shard, "key", null).isEmpty();
    }

    private boolean sendsKnown(Submitter sender) {
        boolean isAdmitted = limits.admit(sender).isEmpty();
        if (isAdmitted) {
            limits.known(sender);
        }
        return isAdmitted;
    }

    private boolean fails(Submitter sender) {
        boolean isAdmitted = limits.admit(sender).isEmpty();
        if (isAdmitted) {
            limits.failed(sender, 100);
        }
        return isAdmitted;
    }

    @Test
    void change_newRates_applyFromNowOn() throws Exception {
        Submitter sender = from("192.0.2.1");
        for (int i = 0; i < 20; i++) {
            assertThat(sendsNew(limits, sender, "a")).isTrue();
        }
        assertThat(sendsNew(limits, sender, "a")).isFalse();

        limits.change(new Limits.Sizes(BigDecimal.ONE, 10, null, BigDecimal.ZERO, 1, 1));

        // the bucket stays as full as before: 180 of 200 become 9 of 10
        for (int i = 0; i < 9; i++) {
            assertThat(sendsNew(limits, sender, "a")).isTrue();
        }
        assertThat(sendsNew(limits, sender, "a")).isFalse();
        now.addAndGet(1_000_000_000);
        assertThat(sendsNew(limits, sender, "a")).isTrue();
        assertThat(sendsNew(limits, sender, "a")).isFalse();
    }

    @Test
    void admit_beyondTheBurst_isThrottledUntilTheNextToken() throws Exception {
        Submitter sender = from("192.0.2.1");
        Limits noShardRate = limits(null, BigDecimal.TEN);
        for (int i = 0; i < 200; i++) {
            assertThat(sendsNew(noShardRate, sender, "a")).isTrue();
        }
        assertThat(noShardRate.admit(sender)).hasValue(new Throttled(LimitedBy.GLOBAL, SECOND / 100 + 1));
        now.addAndGet(SECOND / 100 + 1);
        assertThat(sendsNew(noShardRate, sender, "a")).isTrue();
        assertThat(sample(metrics, "flk_rate_limited_by_total{limit=\"global\",}"))
                .isEqualTo(1);
    }

    @Test
    void takeNew_aboveTheShardsRate_isThrottledAloneAndReturnsTheGlobalToken() throws Exception {
        Submitter sender = from("192.0.2.1");
        int taken = 0;
        for (int i = 0; i < 1_000; i++) {
            taken += sendsNew(limits, sender, "mad") ? 1 : 0;
        }
        assertThat(taken).isEqualTo(20);
        assertThat(sendsNew(limits, sender, "other")).isTrue();
        assertThat(sample(metrics, "flk_rate_limited_by_total{limit=\"shard\",}"))
                .isEqualTo(980);
        assertThat(sample(metrics, "flk_rate_limited_late_total")).isEqualTo(980);
    }

    @Test
    void takeNew_keyWithARate_replacesTheShardsRate() throws Exception {
        Submitter sender = from("192.0.2.1");
        RateLimit keyRate = RateLimit.ofTwoSeconds(new BigDecimal("25"), now::get);
        int taken = 0;
        for (int i = 0; i < 100; i++) {
            boolean isTaken = limits.admit(sender).isEmpty()
                    && limits.takeNew(sender, "a", "key", keyRate).isEmpty();
            taken += isTaken ? 1 : 0;
        }
        assertThat(taken).isEqualTo(50);
        assertThat(sample(metrics, "flk_rate_limited_by_total{limit=\"key\",}")).isEqualTo(50);
    }

    @Test
    void failures_ofOneAddress_areThrottledBeforeReading() throws Exception {
        Submitter stranger = from("192.0.2.1");
        int failed = 0;
        for (int i = 0; i < 1_000; i++) {
            failed += fails(stranger) ? 1 : 0;
        }
        assertThat(failed).isEqualTo(20);
        assertThat(limits.beforeReading(from("192.0.2.1"))).isPresent();
        assertThat(limits.beforeReading(from("192.0.2.2"))).isEmpty();
        assertThat(sample(metrics, "flk_held_addresses")).isEqualTo(1);
        now.addAndGet(SECOND / 10 + 1);
        assertThat(fails(stranger)).isTrue();
    }

    /** Every 64 KiB count as another failure; an address never owes more failures than the burst. */
    @Test
    void failures_countByTheirLength() throws Exception {
        Submitter stranger = from("192.0.2.1");
        limits.failed(stranger, 1 << 20);
        assertThat(limits.beforeReading(stranger)).isEmpty();
        limits.failed(stranger, Long.MAX_VALUE);
        assertThat(limits.beforeReading(stranger)).isPresent();
        now.addAndGet(2 * SECOND);
        assertThat(limits.beforeReading(stranger)).isEmpty();
    }

    @Test
    void replayOfOneCertificate_doesNotEmptyTheBucketOfAll() throws Exception {
        Submitter stranger = from("192.0.2.1");
        int admitted = 0;
        for (int i = 0; i < 10_000; i++) {
            admitted += sendsKnown(stranger) ? 1 : 0;
        }
        assertThat(admitted).isEqualTo(20);
        assertThat(sendsNew(limits, from("192.0.2.2"), "honest")).isTrue();
    }

    /** Agents and proxies repeat unanswered submissions on connections that have sent new certificates before. */
    @Test
    void duplicates_connectionThatSentNewCertificates_areFreeUntilItFails() throws Exception {
        Submitter agent = from("192.0.2.1");
        assertThat(sendsNew(limits, agent, "a")).isTrue();
        for (int i = 0; i < 100; i++) {
            assertThat(sendsKnown(agent)).isTrue();
        }
        for (int i = 0; i < 20; i++) {
            limits.failed(agent, 1);
        }
        assertThat(sendsKnown(agent)).isFalse();
    }

    @Test
    void failureRateZero_switchesThatLimitOff() throws Exception {
        Limits off = limits(null, BigDecimal.ZERO);
        Submitter sender = from("192.0.2.1");
        for (int i = 0; i < 1_000; i++) {
            off.failed(sender, 1 << 20);
        }
        assertThat(off.beforeReading(sender)).isEmpty();
    }

    @Test
    void share_dividesEveryRateAndBurst_andFollowsTheNumberOfBackends() throws Exception {
        AtomicInteger backends = new AtomicInteger(2);
        limits.share(backends::get);
        RateLimit keyRate = RateLimit.ofTwoSeconds(new BigDecimal("25"), now::get);
        assertThat(sample(metrics, "flk_rate_share")).isEqualTo(0.5);

        assertThat(taken(() -> sendsNew(limits, from("192.0.2.1"), "mad"))).isEqualTo(10);
        assertThat(taken(() -> limits.admit(from("192.0.2.1")).isEmpty()
                        && limits.takeNew(from("192.0.2.1"), "a", "key", keyRate)
                                .isEmpty()))
                .isEqualTo(25);
        assertThat(taken(() -> fails(from("192.0.2.2")))).isEqualTo(10);
        now.addAndGet(60 * SECOND);
        assertThat(taken(() -> limits.admit(from("192.0.2.1")).isEmpty())).isEqualTo(100);

        backends.set(1);
        now.addAndGet(60 * SECOND);
        assertThat(taken(() -> fails(from("192.0.2.2")))).isEqualTo(20);
        assertThat(taken(() -> sendsNew(limits, from("192.0.2.1"), "mad"))).isEqualTo(20);
        backends.set(1_000);
        now.addAndGet(60 * SECOND);
        assertThat(taken(() -> fails(from("192.0.2.2")))).isEqualTo(1);
        assertThat(sample(metrics, "flk_rate_share")).isEqualTo(0.001);
    }

    private static int taken(Callable<Boolean> request) throws Exception {
        int taken = 0;
        for (int i = 0; i < 1_000; i++) {
            taken += request.call() ? 1 : 0;
        }
        return taken;
    }

    @Test
    void connect_aboveTheAddressLimit_isRefusedUntilOneEnds() throws Exception {
        Submitter one = from("2001:db8::1");
        Submitter sameNetwork = from("2001:db8::2");
        assertThat(limits.connect(one)).isTrue();
        assertThat(limits.connect(sameNetwork)).isTrue();
        assertThat(limits.connect(one)).isFalse();
        assertThat(limits.connect(from("2001:db8:0:1::1"))).isTrue();
        assertThat(sample(metrics, "flk_connected_addresses")).isEqualTo(2);
        limits.disconnect(one);
        assertThat(limits.connect(sameNetwork)).isTrue();
    }

    @Test
    void from_anIpv4AddressInIpv6_isThatAddress() throws Exception {
        assertThat(from("::ffff:192.0.2.1").network())
                .isEqualTo(from("192.0.2.1").network())
                .isNotEqualTo(from("192.0.2.2").network());
    }
}
