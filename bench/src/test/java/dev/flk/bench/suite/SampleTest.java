// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import static org.assertj.core.api.Assertions.assertThat;

import org.HdrHistogram.Histogram;
import org.junit.jupiter.api.Test;

final class SampleTest {
    @Test
    void inShort_rate_orTimeWhereThereIsNone() {
        Histogram nanos = new Histogram(3);
        nanos.recordValue(1_500_000_000);
        assertThat(Sample.ofRate(12_345, Double.NaN, Double.NaN).inShort("records"))
                .isEqualTo("      12,345 records/s");
        assertThat(Sample.of(Double.NaN, nanos, Double.NaN, 1).inShort("records"))
                .matches(" +1,50[01] ms");
    }
}
