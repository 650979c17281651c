// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import java.util.Locale;
import org.HdrHistogram.Histogram;

/**
 * What one round of one subject gave. What does not apply is {@link Double#NaN}.
 *
 * @param perSecond certificates, records or forces a second
 * @param p50Millis half of the requests took no longer
 * @param p99Millis 99 % took no longer
 * @param p999Millis 99.9 % took no longer
 * @param cpuMicros processor time of the server for each certificate
 * @param residentMebibytes memory that the server holds
 * @param allocatedBytes of the heap, for each operation of a single step
 */
public record Sample(
        double perSecond,
        double p50Millis,
        double p99Millis,
        double p999Millis,
        double cpuMicros,
        double residentMebibytes,
        double allocatedBytes) {

    /** Its rate, or how long it took where it has none. */
    String inShort(String unit) {
        return Double.isNaN(perSecond)
                ? String.format(Locale.ROOT, "%,12.0f ms", p50Millis)
                : String.format(Locale.ROOT, "%,12.0f %s/s", perSecond, unit);
    }

    static Sample of(double perSecond, Histogram nanos, double cpuMicros, double residentMebibytes) {
        return new Sample(
                perSecond,
                nanos.getValueAtPercentile(50) / 1e6,
                nanos.getValueAtPercentile(99) / 1e6,
                nanos.getValueAtPercentile(99.9) / 1e6,
                cpuMicros,
                residentMebibytes,
                Double.NaN);
    }

    /** Of something without requests. */
    static Sample ofRate(double perSecond, double cpuMicros, double residentMebibytes) {
        return new Sample(perSecond, Double.NaN, Double.NaN, Double.NaN, cpuMicros, residentMebibytes, Double.NaN);
    }

    /** Of a single step in one thread. */
    static Sample ofStep(double micros, double allocatedBytes) {
        return new Sample(1e6 / micros, Double.NaN, Double.NaN, Double.NaN, micros, Double.NaN, allocatedBytes);
    }
}
