// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/** Shares of a bucket under a simulated clock, beside the max-min fair division of the same demand. */
final class FairSharesTest {
    private static final double RATE = 200;
    private static final long BURST = 400;
    private static final long STEP_NANOS = 1_000_000;
    private static final int SETTLE_STEPS = 20_000;
    private static final int STEPS = 60_000;

    /** Demands a second of some shards, which send at random and do not wait when they are held back. */
    private static final class Division {
        private final double[] demand;
        private final double[] got;
        private final double[] asked;
        private final FairShares shares;
        private final Random random;
        private double tokens = BURST;
        private long now;
        private long refusedForWantOfTokens;

        Division(Random random, double... demand) {
            this.random = random;
            this.demand = demand;
            this.got = new double[demand.length];
            this.asked = new double[demand.length];
            this.shares = new FairShares(RATE, BURST, 0, random.nextLong());
        }

        /** What each got a second, once it has settled. */
        double[] run() {
            steps(SETTLE_STEPS);
            Arrays.fill(got, 0);
            Arrays.fill(asked, 0);
            refusedForWantOfTokens = 0;
            steps(STEPS);
            double seconds = STEPS * STEP_NANOS / 1e9;
            return DoubleStream.of(got).map(tokens -> tokens / seconds).toArray();
        }

        private void steps(int steps) {
            for (int step = 0; step < steps; step++) {
                now += STEP_NANOS;
                tokens = Math.min(BURST, tokens + RATE * STEP_NANOS / 1e9);
                int first = random.nextInt(demand.length);
                for (int i = 0; i < demand.length; i++) {
                    send((first + i) % demand.length);
                }
            }
        }

        private void send(int shard) {
            double wants = demand[shard] * STEP_NANOS / 1e9;
            int many = (int) wants + (random.nextDouble() < wants - Math.floor(wants) ? 1 : 0);
            for (int i = 0; i < many; i++) {
                int account = shares.account("shard-" + shard);
                asked[shard]++;
                if (tokens < 1) {
                    refusedForWantOfTokens++;
                } else if (!shares.isOver(account, shard, (long) tokens, now, false)) {
                    tokens--;
                    shares.charge(account, shard, now);
                    got[shard]++;
                }
            }
        }
    }

    /** The reference: fill all alike until the rate is used up; who wants less stops earlier. */
    private static double[] maxMin(double[] demand) {
        double[] given = new double[demand.length];
        double left = RATE;
        int[] byDemand = IntStream.range(0, demand.length)
                .boxed()
                .sorted((a, b) -> Double.compare(demand[a], demand[b]))
                .mapToInt(Integer::intValue)
                .toArray();
        for (int i = 0; i < byDemand.length; i++) {
            given[byDemand[i]] = Math.min(demand[byDemand[i]], left / (byDemand.length - i));
            left -= given[byDemand[i]];
        }
        return given;
    }

    @RepeatedTest(20)
    void randomDemand_isDividedAsMaxMinFairnessDoes(RepetitionInfo repetition) {
        Random random = new Random(repetition.getCurrentRepetition());
        double[] demand = IntStream.range(0, 2 + random.nextInt(12))
                .mapToDouble(i -> Math.exp(random.nextDouble() * 7)) // 1 to 1,100 a second
                .toArray();
        double[] fair = maxMin(demand);

        double[] got = new Division(random, demand).run();

        for (int i = 0; i < demand.length; i++) {
            assertThat(got[i])
                    .as("shard %d of %s, which got %s", i, Arrays.toString(demand), Arrays.toString(got))
                    .isCloseTo(fair[i], within(0.12 * fair[i] + 1));
        }
    }

    @Test
    void oneWantsAll_othersNeverFindTheBucketEmpty() {
        double[] demand = new double[10];
        Arrays.fill(demand, 10);
        demand[0] = 5_000;
        Division division = new Division(new Random(1), demand);

        double[] got = division.run();

        assertThat(division.refusedForWantOfTokens).isZero();
        assertThat(Arrays.copyOfRange(division.got, 1, 10)).isEqualTo(Arrays.copyOfRange(division.asked, 1, 10));
        assertThat(got[0]).as("what the others leave").isCloseTo(110, within(5.0));
    }

    @Test
    void alone_hasTheWholeBucket() {
        FairShares shares = new FairShares(RATE, BURST, 0, 1);
        int account = shares.account("only");
        for (long left = BURST; left > 0; left--) {
            assertThat(shares.isOver(account, 1, left, 0, false)).isFalse();
            shares.charge(account, 1, 0);
        }
        assertThat(shares.isOver(account, 1, 1, 0, true))
                .as("told to wait, and does not")
                .isTrue();
        assertThat(shares.isOver(account, 1, BURST / 2, 0, true))
                .as("half of it is there")
                .isFalse();
    }

    @Test
    void whatWasTaken_fadesWithTheTimeOfTheBucket() {
        FairShares shares = new FairShares(RATE, BURST, 5, 1);
        int account = shares.account("a");
        IntStream.range(0, 100).forEach(i -> shares.charge(account, 1, 5));
        assertThat(shares.lately(account, 5)).isCloseTo(100, within(0.01));
        assertThat(shares.lately(account, 5 + 2_000_000_000L)).isCloseTo(100 / Math.E, within(0.01));
        assertThat(shares.active(5)).isEqualTo(1);
        assertThat(shares.active(5 + 60_000_000_000L)).isZero();
    }

    @Test
    void wait_isWhenItsShareIsThere() {
        FairShares shares = new FairShares(RATE, BURST, 0, 1);
        int account = shares.account("a");
        IntStream.range(0, 300).forEach(i -> shares.charge(account, 1, 0));
        shares.charge(shares.account("b"), 2, 0);
        shares.charge(account, 1, 0);
        assertThat(shares.isOver(account, 1, 100, 0, true)).isTrue();
        long wait = shares.waitNanos(account, 100, 0);
        assertThat(wait).isBetween(100_000_000L, 500_000_000L);
    }

    @Test
    void concurrentCharges_loseNone() {
        FairShares shares = new FairShares(1_000_000, 2_000_000, 0, 1);
        int account = shares.account("a");
        IntStream.range(0, 4).parallel().forEach(thread -> {
            for (int i = 0; i < 50_000; i++) {
                shares.charge(account, 1, 0);
            }
        });
        assertThat(shares.lately(account, 0)).isCloseTo(200_000, within(20.0));
    }

    @Test
    void accounts_areSpread() {
        FairShares shares = new FairShares(RATE, BURST, 0, 42);
        long different = IntStream.range(0, 1_000)
                .map(i -> shares.account("plant-" + i))
                .distinct()
                .count();
        assertThat(different).isGreaterThan(970);
        assertThat(IntStream.range(0, 1_000)
                        .map(i -> shares.account("plant-" + i))
                        .toArray())
                .doesNotContain(FairShares.KNOWN);
    }
}
