// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.program.time.Breaker;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of backoff, breaker and clock offset, with injected time and randomness. */
class TimingTest {
    private static final Instant NOW = Instant.parse("2026-11-20T08:00:00Z");

    /** A generator that always returns the largest value within the bound. */
    private static final RandomGenerator LARGEST = new RandomGenerator() {
        @Override
        public long nextLong() {
            throw new UnsupportedOperationException();
        }

        @Override
        public long nextLong(long bound) {
            return bound - 1;
        }
    };

    @ParameterizedTest
    @CsvSource({"0, 1", "1, 2", "2, 4", "5, 32", "6, 60", "7, 60", "63, 60", "2147483647, 60"})
    void backoff_afterNFailures_isBoundedByTheDoubledBase(int failures, long seconds) {
        Backoff backoff = new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(60), LARGEST);

        assertThat(backoff.afterNanos(failures)).isEqualTo(TimeUnit.SECONDS.toNanos(seconds));
    }

    @Test
    void backoff_manyTries_useTheWholeRange() {
        Backoff backoff = new Backoff(Duration.ofNanos(4), Duration.ofNanos(4), new Random(1));

        assertThat(java.util.stream.LongStream.range(0, 1000)
                        .map(i -> backoff.afterNanos(0))
                        .distinct()
                        .sorted())
                .containsExactly(0L, 1L, 2L, 3L, 4L);
    }

    @Test
    void backoff_maxBelowBase_isRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Backoff(Duration.ofSeconds(2), Duration.ofSeconds(1), LARGEST));
    }

    @Test
    void breaker_fourOutages_opens_allowsOneProbe_andClosesWithAnAnswer() {
        AtomicLong nanos = new AtomicLong();
        Breaker breaker = breaker(nanos);
        for (int i = 0; i < 4; i++) {
            assertThat(breaker.tryAcquire()).isTrue();
            breaker.failed();
        }
        long first = breaker.remainingNanos();
        assertThat(breaker.isOpen()).isTrue();
        assertThat(breaker.tryAcquire()).isFalse();

        nanos.addAndGet(first);
        assertThat(breaker.tryAcquire()).isTrue();
        assertThat(breaker.tryAcquire()).as("one probe").isFalse();
        breaker.failed();
        assertThat(breaker.remainingNanos()).isGreaterThan(first);

        nanos.addAndGet(breaker.remainingNanos());
        assertThat(breaker.tryAcquire()).isTrue();
        breaker.succeeded();
        assertThat(breaker.isOpen()).isFalse();
    }

    @Test
    void breaker_someAnswersAmongOutages_staysClosed() {
        Breaker breaker = breaker(new AtomicLong());
        for (int i = 0; i < 20; i++) {
            breaker.tryAcquire();
            if (i % 3 == 0) {
                breaker.succeeded();
            } else {
                breaker.failed();
            }
        }

        assertThat(breaker.isOpen()).isFalse();
    }

    private static Breaker breaker(AtomicLong nanos) {
        return BackendLink.breaker(new Backoff(Duration.ofSeconds(1), Duration.ofSeconds(60), LARGEST), nanos::get);
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "1, 0", "-1, 0", "2, 2500", "10, 10500", "-10, -9500", "3600, 3600500"})
    void offset_dateHeader_countsAsHalfASecondBehindAndSmallOffsetsAsZero(long aheadSeconds, long offsetMillis) {
        ClockOffset offset = new ClockOffset(() -> NOW.plusMillis(300), () -> 0);

        for (int answer = 0; answer < 3; answer++) {
            var unused = offset.measure(
                    NOW.plusSeconds(aheadSeconds), Duration.ofMillis(600).toNanos());
        }

        assertThat(offset.get()).isEqualTo(Duration.ofMillis(offsetMillis));
    }

    @ParameterizedTest
    @CsvSource({"4, true", "-4, true", "6, false", "-6, false", "1728000, false", "-1728000, false"})
    void offset_oneDate_isTrustedIfItMatchesTheLastMeasurement(long aheadSeconds, boolean believed) {
        ClockOffset offset = new ClockOffset(() -> NOW, () -> 0);
        offset.keep();

        assertThat(offset.measure(NOW.plusSeconds(aheadSeconds), 0).isEmpty()).isEqualTo(believed);

        assertThat(offset.get().isZero()).isEqualTo(!believed);
        assertThat(offset.unknown()).isFalse();
    }

    @Test
    void offset_threeConsecutiveDatesAgree_areTrusted() {
        AtomicLong seconds = new AtomicLong();
        ClockOffset offset =
                new ClockOffset(() -> NOW.plusSeconds(seconds.get()), () -> TimeUnit.SECONDS.toNanos(seconds.get()));
        offset.keep();

        assertThat(measure(offset, seconds, 3600)).isPresent();
        assertThat(measure(offset, seconds, 3600)).isPresent();
        assertThat(measure(offset, seconds, 7200)).as("another").isPresent();
        assertThat(measure(offset, seconds, 3600)).isPresent();
        assertThat(measure(offset, seconds, 3600)).isPresent();
        assertThat(offset.get()).isZero();

        assertThat(measure(offset, seconds, 3600)).isEmpty();
        assertThat(offset.get()).isEqualTo(Duration.ofMillis(3_600_500));
    }

    @Test
    void offset_noTwoDatesAgree_delaysSendingForSixAnswers() {
        AtomicLong seconds = new AtomicLong();
        ClockOffset offset =
                new ClockOffset(() -> NOW.plusSeconds(seconds.get()), () -> TimeUnit.SECONDS.toNanos(seconds.get()));

        for (int answer = 1; answer <= 6; answer++) {
            assertThat(offset.unknown()).isTrue();
            assertThat(measure(offset, seconds, answer * 3600L)).isPresent();
        }

        assertThat(offset.unknown()).isFalse();
        assertThat(offset.get()).isZero();
    }

    /** Lets a minute pass, then measures the offset. */
    private static Optional<Duration> measure(ClockOffset offset, AtomicLong seconds, long aheadSeconds) {
        return offset.measure(NOW.plusSeconds(seconds.addAndGet(60) + aheadSeconds), 0);
    }

    @ParameterizedTest
    @CsvSource({"3600, 1", "-3600, 1", "60, 0", "10, 3600"})
    void offset_ownClockDivergesFromTicker_isUnknownAgain(long wallSeconds, long tickerSeconds) {
        assertThat(unknownAfter(wallSeconds, tickerSeconds)).isTrue();
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "3600, 3600", "86402, 86400"})
    void offset_timePasses_isKept(long wallSeconds, long tickerSeconds) {
        assertThat(unknownAfter(wallSeconds, tickerSeconds)).isFalse();
    }

    private static boolean unknownAfter(long wallSeconds, long tickerSeconds) {
        AtomicLong wall = new AtomicLong();
        AtomicLong ticker = new AtomicLong();
        ClockOffset offset = new ClockOffset(() -> NOW.plusSeconds(wall.get()), ticker::get);
        offset.keep();
        wall.set(wallSeconds);
        ticker.set(TimeUnit.SECONDS.toNanos(tickerSeconds));
        offset.forgetIfClockJumped();
        return offset.unknown();
    }
}
