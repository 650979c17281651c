// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** That what checks the queries of dashboards and docs finds what is wrong with one. */
final class PromqlTest {
    private static final Exposed EXPOSED = Exposed.of("""
            # TYPE up_to counter
            up_to{reason="slow",} 1.0
            up_to{reason="quick",} 1.0
            # TYPE took histogram
            took_bucket{op="get",le="0.25",} 0.0
            took_bucket{op="get",le="+Inf",} 0.0
            took_count{op="get",} 0.0
            # TYPE level gauge
            level NaN
            """);

    @ParameterizedTest
    @ValueSource(
            strings = {
                "level",
                "level > 0 unless level offset 1h",
                "level{instance=~\"$instance\"} > bool 60",
                "sum by (reason) (rate(up_to{reason!~\"slow|quick\", job=\"a\"}[$__rate_interval])) / 1e-9",
                "histogram_quantile(0.99, sum by (op, le) (rate(took_bucket{le=\"0.25\"}[5m])))",
                "max(avg_over_time((level > bool 60)[30d:1m])) and on (job, instance) level"
            })
    void missingFrom_whatIsThere_isNothing(String query) {
        assertThat(Promql.read(query).missingFrom(EXPOSED)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "1 + 1; no metric in 1 + 1",
                "sum(rate(levels[5m])); no metric levels",
                "took; no metric took",
                "level{reason=\"slow\"}; no label reason of level",
                "up_to{reason=~\"slow|slowest\"}; no up_to with reason=slow|slowest",
                "sum by (cause) (rate(up_to[5m])); no label cause of up_to",
                "sum by (reason) (rate(up_to[5m]) / level); no label reason of level",
                "sum by (op, le) (took_count); no label le of took_count",
                "level and on (op) took_bucket; no label op of level"
            })
    void missingFrom_whatIsNotThere_isNamed(String query, String missing) {
        assertThat(Promql.read(query).missingFrom(EXPOSED)).contains(missing);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "rate(level[$interval])",
                "level offset soon",
                "level unless offset 1h",
                "$level",
                "sum(level) by (job)",
                "sum without (job) (level)",
                "levels(level)",
                "{job=\"a\"}",
                "level{job}",
                "level{job=\"a\", job=\"b\"}",
                "sum(level",
                "level)",
                "level @ 5"
            })
    void read_whatItDoesNotKnow_isRefused(String query) {
        assertThatThrownBy(() -> Promql.read(query)).isInstanceOf(AssertionError.class);
    }

    @Test
    void uses_areFoundWhereverTheyStand() {
        Promql query = Promql.read("sum by (job, le) (rate(a_total{b=\"c\", d=~\"e|f\"}[5m])) / on (g) (h > bool 1e3)"
                + " and predict_linear(i:j[6h], 24 * 3600) < 0 or absent(k) unless l");
        assertThat(query.uses()).map(Promql.Use::metric).containsExactly("a_total", "h", "i:j", "k", "l");
        assertThat(query.uses().get(0).selected()).containsExactly(Map.entry("b", "c"), Map.entry("d", "e|f"));
        assertThat(query.uses().get(0).groupedBy()).containsExactly("job", "le");
    }

    @Test
    void missingFrom_whatRulesRecord_isNothing() {
        Promql query = Promql.read("job:up_to:rate5m{job=\"a\"} > 2 and on (job) up == 1");
        assertThat(query.missingFrom(EXPOSED)).contains("no metric job:up_to:rate5m", "no metric up");
        assertThat(query.missingFrom(EXPOSED.andRecorded(Set.of("job:up_to:rate5m"))))
                .isEmpty();
    }

    @Test
    void keeps_labels_unlessTheyAreAddedAway() {
        assertThat(Promql.read("topk(10, up_to)").keeps("reason", EXPOSED)).isTrue();
        assertThat(Promql.read("topk(10, up_to)").keeps("instance", EXPOSED)).isTrue();
        assertThat(Promql.read("topk(10, up_to)").keeps("op", EXPOSED)).isFalse();
        assertThat(Promql.read("sum(up_to)").keeps("instance", EXPOSED)).isFalse();
        assertThat(Promql.read("sum by (reason) (up_to)").keeps("reason", EXPOSED))
                .isTrue();
    }
}
