// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.backend.serve.page.NowView.Promise;
import dev.flk.backend.serve.page.NowView.Row;
import dev.flk.program.metrics.Metrics;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Tests how the view Now presents the metrics. */
final class NowViewTest {
    private static final Instant NOW = Instant.parse("2026-11-26T12:00:00Z");

    /** The counters of a backend that the view reads. */
    private static final class Counters extends Metrics.Feature {
        final Metrics.Count accepted = bareCounter("flk_accepted", "Accepted.");
        final Metrics.Count escalated = bareCounter("flk_escalated", "Escalated.");
        final Metrics.Count ingested = counter("flk_ingest_total", "Submitted.");
        final Metrics.Count failed = bareCounter("flk_wal_errors", "Failed.");

        Counters(Metrics metrics) {
            super(metrics);
        }
    }

    private final Metrics metrics = new Metrics("test");
    private final Counters counters = new Counters(metrics);
    private final Rates rates = new Rates(metrics.read());

    private void minute(int accepted, int escalated, int failed) {
        for (int i = 0; i < accepted; i++) {
            counters.accepted.increment();
        }
        for (int i = 0; i < escalated; i++) {
            counters.escalated.increment();
        }
        for (int i = 0; i < failed; i++) {
            counters.failed.increment();
        }
        for (int i = 0; i < accepted + escalated + failed; i++) {
            counters.ingested.increment();
        }
        rates.endMinute(metrics.read());
    }

    private NowView view() {
        return NowView.of(NOW, List.of(), Optional.empty(), metrics.read(), rates);
    }

    @Test
    void answersAndServiceLevels_coverTheLastHourAndAllMinutes() {
        minute(90, 10, 2);
        for (int i = 0; i < 60; i++) {
            minute(99, 1, 0);
        }

        NowView view = view();

        assertThat(view.rows())
                .extracting(Row::answer, Row::lastMinute, Row::lastHour, Row::all)
                .startsWith(tuple("accepted", "99", "5,940", "6,030"), tuple("escalated", "1", "60", "70"))
                .endsWith(tuple("failed (500 or 503)", "0", "0", "2"));
        Promise escalations = view.promises().get(0);
        assertThat(escalations.lastHour()).isEqualTo("1.00 %");
        assertThat(escalations.all()).isEqualTo("1.15 %");
        assertThat(escalations.leftText()).isEqualTo("43 %");
    }

    @Test
    void minutesBeforeTheLast24Hours_areForgotten() {
        minute(1, 0, 0);
        for (int i = 0; i < 24 * 60; i++) {
            minute(0, 1, 0);
        }

        NowView view = view();

        assertThat(view.minutes()).isEqualTo(1_440);
        assertThat(view.rows())
                .extracting(Row::answer, Row::all)
                .startsWith(tuple("accepted", "0"), tuple("escalated", "1,440"));
    }

    @Test
    void usedUpBudget_isZero() {
        minute(10, 0, 1);

        assertThat(view().promises().get(1))
                .isEqualTo(new Promise("at most 0.1 % of submissions are answered 500 or 503", "9.09 %", "9.09 %", 0));
    }

    @Test
    void withoutSubmissions_noBudgetIsUsed() {
        minute(0, 0, 0);

        assertThat(view().promises())
                .allSatisfy(promise -> assertThat(promise.leftText()).isEqualTo("100 %"));
    }
}
