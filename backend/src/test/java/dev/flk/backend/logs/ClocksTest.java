// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.logging.Audit;
import dev.flk.program.time.HeardTime;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests which clock is named. */
final class ClocksTest {
    private static final Instant NOW = Instant.parse("2026-11-25T12:00:00Z");
    private static final Duration HOUR = Duration.ofHours(1);

    private final SeenLogs seen = new SeenLogs(NOW, Audit.none());
    private final Logs logs = seen.registered();
    private final Map<String, HeardTime> agents = new HashMap<>();
    private final Clocks clocks = new Clocks(logs, () -> agents, InstantSource.fixed(NOW), () -> 0);

    @AfterEach
    void close() {
        logs.close();
    }

    /** Adds a backend whose clock is ahead. */
    private void backend(int number, String name, Duration ahead) {
        seen.report(seen.entry(number, name, ahead.negated().plusSeconds(2)));
        seen.report(seen.entry(number, name, ahead.negated()));
    }

    private void agent(String id, Duration ahead, Duration before) {
        agents.put(id, new HeardTime(NOW.minus(before).plus(ahead), -before.toNanos()));
    }

    @Test
    void clocksThatAgree_areNoProblem() {
        assertThat(clocks.aheadSeconds()).isNaN();
        backend(2, "other", Duration.ofSeconds(20));
        agent("a", Duration.ofSeconds(-10), Duration.ofSeconds(200));

        assertThat(clocks.problem()).isEmpty();
        assertThat(clocks.aheadSeconds()).isZero();
    }

    @Test
    void twoClocks_differ_andNoneIsNamedAsWrong() {
        backend(2, "other", HOUR);

        assertThat(clocks.problem())
                .hasValue("the clock of this machine is 1 h 0 min behind that of backend other, and no third one says"
                        + " which is right");
    }

    @Test
    void ownClock_isNamed_ifTheOthersAgree() {
        backend(2, "other", HOUR.negated());
        agent("a", HOUR.negated(), Duration.ZERO);

        assertThat(clocks.aheadSeconds()).isEqualTo(3_600);
        assertThat(clocks.problem()).hasValue("the clock of this machine is 1 h 0 min ahead of the median of 3");
    }

    @Test
    void clockOfAnother_isNamed_andAnOldTimeDoesNotCount() {
        backend(2, "other", HOUR);
        agent("a", Duration.ZERO, Duration.ZERO);
        agent("b", HOUR.negated(), Clocks.HEARD_FOR);

        assertThat(clocks.aheadSeconds()).isZero();
        assertThat(clocks.problem()).hasValue("the clock of backend other is 1 h 0 min ahead of the median of 3");
    }
}
