// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.limit.Limits.Sharing;
import dev.flk.backend.metrics.Meters;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Limits together, under a simulated clock: 100 a second, 200 at once; an address may have 10 a second refused, 20 at once. */
final class LimitsTest {
    private static final long SECOND = 1_000_000_000;

    private final AtomicLong now = new AtomicLong(77);
    private final Meters meters = new Meters("test");
    private Limits limits = limits(Sharing.FAIR);

    private Limits limits(Sharing sharing) {
        return new Limits(new Limits.Sizes(new BigDecimal(100), 200, sharing, BigDecimal.TEN, 20, 2), now::get, meters);
    }

    private static Sender from(String address) throws UnknownHostException {
        return Sender.from(InetAddress.getByName(address));
    }

    /** Whether something new of a shard is taken. */
    private boolean sendsNew(Sender sender, String shard, @Nullable RateLimit keyRate) {
        Admission admission = limits.admit(sender);
        return admission.heldBack() == null
                && limits.takeNew(sender, admission, shard, "key", keyRate).isEmpty();
    }

    private boolean sendsNew(Sender sender, String shard) {
        return sendsNew(sender, shard, null);
    }

    private boolean sendsAgain(Sender sender) {
        Admission admission = limits.admit(sender);
        return admission.heldBack() == null
                && limits.takeKnown(sender, admission).isEmpty();
    }

    private boolean fails(Sender sender) {
        if (limits.admit(sender).heldBack() != null) {
            return false;
        }
        limits.failed(sender, 100);
        return true;
    }

    private double counted(String limit) {
        String sample = "flk_rate_limited_by_total{limit=\"" + limit + "\",} ";
        return new String(meters.expose(null).text(), StandardCharsets.UTF_8)
                .lines()
                .filter(line -> line.startsWith(sample))
                .mapToDouble(line -> Double.parseDouble(line.substring(sample.length())))
                .sum();
    }

    @Test
    void oneShardAlone_hasTheWholeBucket_andThenTheRate() throws Exception {
        Sender sender = from("10.0.0.1");
        assertThat(IntStream.range(0, 300).filter(i -> sendsNew(sender, "a")).count())
                .isEqualTo(200);
        assertThat(counted("global")).isEqualTo(100);
        now.addAndGet(SECOND);
        assertThat(IntStream.range(0, 300).filter(i -> sendsNew(sender, "a")).count())
                .isEqualTo(100);
    }

    @Test
    void shardThatTakesAll_leavesTheOthersTheirs() throws Exception {
        Sender quiet = from("10.0.0.1");
        Sender mad = from("10.0.0.2");
        int quietRefused = 0;
        int madTaken = 0;
        for (int milli = 0; milli < 10_000; milli++) {
            now.addAndGet(SECOND / 1_000);
            for (int i = 0; i < 5; i++) {
                madTaken += sendsNew(mad, "mad") ? 1 : 0;
            }
            if (milli % 50 == 0) { // 20 a second
                quietRefused += sendsNew(quiet, "quiet") ? 0 : 1;
            }
        }
        assertThat(quietRefused).as("the first may meet an empty bucket").isLessThanOrEqualTo(1);
        assertThat(madTaken).as("10 s of what is left, and the bucket").isBetween(700, 1_000);
        assertThat(counted("shard")).isGreaterThan(10_000);
    }

    /** As an agent of several shards has it, or a proxy: once it was told to wait, each of them has its share. */
    @Test
    void shardThatTakesAll_behindTheSameAddress_leavesTheOthersTheirs() throws Exception {
        int quietRefused = 0;
        for (int milli = 0; milli < 20_000; milli++) {
            now.addAndGet(SECOND / 1_000);
            for (int i = 0; i < 5; i++) {
                boolean unused = sendsNew(from("10.0.0.1"), "mad");
            }
            quietRefused += milli % 50 == 0 && !sendsNew(from("10.0.0.1"), "quiet") ? 1 : 0;
        }
        assertThat(quietRefused).as("of 400").isLessThanOrEqualTo(8);
    }

    /** The bucket is all that counts for who is alone, and waits when he is told to. */
    @Test
    void oneAddressThatWaits_hasTheWholeBucket_whateverItSends() throws Exception {
        Sender sender = from("10.0.0.1");
        for (int round = 0; round < 5; round++) {
            int taken = 0;
            boolean isOver = false;
            while (!isOver) {
                isOver = !(taken % 2 == 0 ? sendsNew(sender, "shard-" + taken % 3) : sendsAgain(sender));
                taken += isOver ? 0 : 1;
            }
            assertThat(taken).isEqualTo(round == 0 ? 200 : 100);
            now.addAndGet(SECOND);
        }
        assertThat(counted("shard") + counted("known")).isZero();
    }

    /** Somebody without a key sends again what he has seen of a shard: that must not be the shard's. */
    @Test
    void replays_takeNothingOfTheShardThatSigned() throws Exception {
        Sender honest = from("10.0.0.1");
        Sender stranger = from("192.0.2.1");
        int honestRefused = 0;
        int replaysTaken = 0;
        for (int milli = 0; milli < 10_000; milli++) {
            now.addAndGet(SECOND / 1_000);
            if (milli % 20 == 0) { // 50 a second
                honestRefused += sendsNew(honest, "a") ? 0 : 1;
            }
            for (int i = 0; i < 5; i++) {
                replaysTaken += sendsAgain(stranger) ? 1 : 0;
            }
        }
        assertThat(honestRefused).isZero();
        assertThat(replaysTaken).isBetween(400, 800);
        assertThat(counted("known")).isGreaterThan(10_000);
        assertThat(counted("shard")).isZero();
    }

    /** However many addresses he has. */
    @Test
    void replaysOfManyAddresses_haveOneShareTogether() throws Exception {
        Sender honest = from("10.0.0.1");
        int honestRefused = 0;
        for (int milli = 0; milli < 10_000; milli++) {
            now.addAndGet(SECOND / 1_000);
            if (milli % 20 == 0) {
                honestRefused += sendsNew(honest, "a") ? 0 : 1;
            }
            for (int i = 0; i < 5; i++) {
                boolean unused = sendsAgain(Sender.from(InetAddress.getByAddress(
                        new byte[] {(byte) 198, 51, (byte) (milli >> 3), (byte) (5 * milli + i)})));
            }
        }
        assertThat(honestRefused).isZero();
    }

    @Test
    void fairSharesOff_whoComesFirstHasIt() throws Exception {
        limits = limits(Sharing.NONE);
        Sender quiet = from("10.0.0.1");
        Sender mad = from("10.0.0.2");
        int quietRefused = 0;
        for (int milli = 0; milli < 10_000; milli++) {
            now.addAndGet(SECOND / 1_000);
            for (int i = 0; i < 5; i++) {
                boolean unused = sendsNew(mad, "mad");
            }
            quietRefused += milli % 50 == 0 && !sendsNew(quiet, "quiet") ? 1 : 0;
        }
        assertThat(quietRefused).isGreaterThan(150);
    }

    @Test
    void keyWithARate_isHeldToIt_andGivesItsTokensBack() throws Exception {
        limits = limits(Sharing.NONE);
        RateLimit three = new RateLimit(new BigDecimal(3), 6, now::get);
        Sender sender = from("10.0.0.1");
        assertThat(IntStream.range(0, 100)
                        .filter(i -> sendsNew(sender, "a", three))
                        .count())
                .isEqualTo(6);
        assertThat(counted("key")).isEqualTo(94);
        Sender other = from("10.0.0.1");
        assertThat(IntStream.range(0, 300).filter(i -> sendsNew(other, "a")).count())
                .as("the rest of the bucket is there")
                .isEqualTo(194);
    }

    @Test
    void addressWithTooManyFailures_isRefusedUnread_andTakesNoToken() throws Exception {
        Sender stranger = from("192.0.2.1");
        assertThat(IntStream.range(0, 100).filter(i -> fails(stranger)).count()).isEqualTo(20);
        assertThat(counted("address")).isEqualTo(80);
        Optional<HeldBack> heldBack = limits.beforeReading(from("192.0.2.1"));
        assertThat(heldBack).hasValue(new HeldBack(SECOND / 10));
        assertThat(limits.beforeReading(from("192.0.2.2"))).isEmpty();
        Sender honest = from("10.0.0.1");
        assertThat(IntStream.range(0, 300).filter(i -> sendsNew(honest, "a")).count())
                .isEqualTo(180);
    }

    @Test
    void connectionThatShowedAKey_isReadAlthoughItsAddressFails_untilItFailsItself() throws Exception {
        Sender honest = from("192.0.2.1");
        assertThat(sendsNew(honest, "a")).isTrue();
        Sender stranger = from("192.0.2.1");
        assertThat(IntStream.range(0, 100).filter(i -> fails(stranger)).count()).isEqualTo(20);

        assertThat(sendsNew(honest, "a")).isTrue();
        assertThat(fails(honest)).isTrue();
        assertThat(sendsNew(honest, "a")).isFalse();
    }

    /** As an agent does that got no answer; whoever has no key can't get that far. */
    @Test
    void connectionThatShowedAKey_andSendsAgain_isStillRead() throws Exception {
        Sender honest = from("192.0.2.1");
        assertThat(sendsNew(honest, "a")).isTrue();
        Sender stranger = from("192.0.2.1");
        assertThat(IntStream.range(0, 100).filter(i -> fails(stranger)).count()).isEqualTo(20);

        assertThat(sendsAgain(honest)).isTrue();
        assertThat(sendsNew(honest, "a")).isTrue();
        assertThat(sendsAgain(from("192.0.2.1")))
                .as("a connection that has shown none")
                .isFalse();
    }

    @Test
    void wastedBytes_holdAnAddress_alsoForWhatItHadNoTokensFor_withinBounds() throws Exception {
        Sender stranger = from("192.0.2.1");
        limits.failed(stranger, 1 << 19);
        limits.failed(stranger, 1 << 19);
        assertThat(limits.beforeReading(stranger)).isEmpty();
        limits.failed(stranger, 1 << 19);
        assertThat(limits.beforeReading(stranger)).hasValue(new HeldBack(8 * SECOND / 10));
        limits.failed(stranger, Long.MAX_VALUE);
        assertThat(limits.beforeReading(stranger)).hasValue(new HeldBack(21 * SECOND / 10));
    }

    @Test
    void unpackedBytes_countUntilTheConnectionHasShownAKey() throws Exception {
        Sender honest = from("192.0.2.1");
        assertThat(sendsNew(honest, "a")).isTrue();
        limits.unpacked(honest, 1 << 30);
        assertThat(limits.beforeReading(from("192.0.2.1"))).isEmpty();
        limits.unpacked(from("192.0.2.1"), 1 << 30);
        assertThat(limits.beforeReading(from("192.0.2.1"))).isPresent();
    }

    /** A proxy may have others behind the same connection: one in sixteen is looked at all the same. */
    @Test
    void connectionOfOneShardThatIsOver_isMostlyRefusedUnparsed() throws Exception {
        Sender other = from("10.0.0.1");
        Sender mad = from("10.0.0.2");
        assertThat(sendsNew(other, "other")).isTrue();
        for (int i = 0; i < 1_000; i++) {
            boolean unused = sendsNew(mad, "mad");
        }
        int parsed = 0;
        for (int i = 0; i < 160; i++) {
            boolean unused = sendsNew(other, "other-" + i % 3);
            Admission admission = limits.admit(mad);
            if (admission.heldBack() == null) {
                parsed++;
                assertThat(limits.takeNew(mad, admission, "mad", "key", null)).isPresent();
            }
        }
        assertThat(parsed).isEqualTo(10);
    }

    @Test
    void connections_ofAnAddress_areBounded() throws Exception {
        assertThat(limits.connect(from("10.0.0.1"))).isTrue();
        assertThat(limits.connect(from("10.0.0.1"))).isTrue();
        assertThat(limits.connect(from("10.0.0.1"))).isFalse();
        assertThat(limits.connect(from("10.0.0.2"))).isTrue();
        limits.disconnect(from("10.0.0.1"));
        assertThat(limits.connect(from("10.0.0.1"))).isTrue();
    }

    @Test
    void concurrentSenders_getEveryTokenOnce() {
        long taken = IntStream.range(0, 4)
                .parallel()
                .mapToLong(thread -> {
                    Sender sender = Sender.from(InetAddress.getLoopbackAddress());
                    return IntStream.range(0, 1_000)
                            .filter(i -> sendsNew(sender, "a"))
                            .count();
                })
                .sum();
        assertThat(taken).isBetween(1L, 200L);
        now.addAndGet(10 * SECOND);
        Sender sender = Sender.from(InetAddress.getLoopbackAddress());
        assertThat(IntStream.range(0, 1_000).filter(i -> sendsNew(sender, "a")).count())
                .as("none was lost, and none was made")
                .isEqualTo(200);
    }
}
