// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figure;
import dev.flk.bench.Results.Figures;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** The targets of all suites. They are computed from the figures, so that a file of earlier figures is compared too. */
final class Targets {
    private Targets() {}

    /** Returns the targets of a suite that was measured on a machine with this number of cores. */
    static List<Target> of(Results results, int cores) {
        return switch (results.suite()) {
            case "singles" ->
                List.of(
                        atLeast(
                                "rate at 64 connections / bare Netty's",
                                results.ratio("backend, 64", "bare Netty, 64"),
                                0.45),
                        atMost("p99 at 64 connections, ms", p99(results, "backend, 64"), 12),
                        atLeast("rate at 256 connections / at 64", results.ratio("backend, 256", "backend, 64"), 1),
                        atMost(
                                "p50 of 1 connection / plain disk force",
                                p50(results, "backend, 1") / p50(results, Workbench.PLAIN_FORCES),
                                2.5));
            case "batches" ->
                List.of(atLeast(
                        "batches of 100 / singles", results.ratio("batches of 100", "singles, 64 connections"), 2.5));
            case "signatures" -> {
                double checks = results.rate("one thread's Ed25519 checks") * cores;
                yield List.of(
                        atLeast("Ed25519 / checks alone on all cores", results.rate("Ed25519") / checks, 0.75),
                        atLeast("the same in batches of 100", results.rate("Ed25519, batches of 100") / checks, 0.75),
                        atLeast("duplicates / singles", results.ratio("duplicates", "HMAC"), 1.3),
                        atLeast("wrong signatures / singles", results.ratio("wrong signatures", "HMAC"), 1.2));
            }
            case "stores" ->
                List.of(
                        atLeast("Redis / embedded store", results.ratio("redis", "embedded"), 0.6),
                        atLeast("Redis Cluster / one Redis", results.ratio("redis cluster", "redis"), 0.9));
            case "views", "views-1m" ->
                List.of(atMost(
                        "processor time of the slowest view, ms",
                        results.figures().stream()
                                .mapToDouble(view -> view.median(Figure.CPU_MICROS) / 1e3)
                                .max()
                                .orElse(Double.NaN),
                        150));
            case "agent" ->
                List.of(
                        atLeast("forced appends a second", results.rate("append, 16 producers"), 20_000),
                        atLeast("certificates drained a second", results.rate("drain"), 10_000));
            case "state" -> state(results);
            case "peers" ->
                List.of(
                        atLeast(
                                "rate at 64 connections / bare Netty's",
                                results.ratio("backend, 64", "bare Netty, 64"),
                                0.4),
                        atLeast("the same / Redis'", results.ratio("backend, 64", "Redis, 64"), 0.75));
            case "first-seconds" ->
                List.of(atLeast(
                        "first three seconds with warm-up and class archive / warm rate",
                        results.ratio(
                                "WARM_UP=on, class archive" + FirstSeconds.FIRST,
                                "WARM_UP=on, class archive" + FirstSeconds.WARM),
                        0.45));
            case "restart" ->
                List.of(
                        atMost("time until ready, s", p50(results, "start until ready") / 1000, 1.5),
                        atLeast("records replayed a second", results.rate("wal replay"), 200_000),
                        atLeast(
                                "throughput / on empty data",
                                results.ratio("singles, 64, full", "singles, 64, empty"),
                                0.8),
                        atMost(
                                "p99 / on empty data",
                                p99(results, "singles, 64, full") / p99(results, "singles, 64, empty"),
                                1.2));
            case "sustained" -> {
                Figures first = results.of("first quarter");
                Figures last = results.of("last quarter");
                yield List.of(
                        atMost(
                                "memory at the end / at the beginning",
                                last.median(Figure.RESIDENT_MEBIBYTES) / first.median(Figure.RESIDENT_MEBIBYTES),
                                1.1),
                        atLeast(
                                "throughput at the end / at the beginning",
                                last.median(Figure.PER_SECOND) / first.median(Figure.PER_SECOND),
                                0.8));
            }
            default -> List.of();
        };
    }

    private static List<Target> state(Results results) {
        String commits = "state, commits, 64";
        List<Target> targets = new ArrayList<>();
        if (results.has("etcd, commits, 64")) {
            targets.add(atLeast("commits of 64 clients / etcd's", results.ratio(commits, "etcd, commits, 64"), 1));
        }
        targets.addAll(List.of(
                atLeast("commits / calls of bare gRPC", results.ratio(commits, "bare gRPC, commits, 64"), 0.4),
                atLeast("reads / bare gRPC's", results.ratio("state, reads, 64", "bare gRPC, reads, 64"), 0.7),
                atLeast("events replayed a second", results.rate("state, replay"), 100_000)));
        return targets;
    }

    private static double p50(Results results, String subject) {
        return results.of(subject).median(Figure.P50_MILLIS);
    }

    private static double p99(Results results, String subject) {
        return results.of(subject).median(Figure.P99_MILLIS);
    }

    private static Target atLeast(String what, double value, double min) {
        return new Target(what + " >= " + number(min), value, value >= min);
    }

    private static Target atMost(String what, double value, double max) {
        return new Target(what + " <= " + number(max), value, value <= max);
    }

    private static String number(double number) {
        return number == Math.rint(number) ? String.format(Locale.ROOT, "%,d", (long) number) : Double.toString(number);
    }

    /**
     * A limit for a figure.
     *
     * @param what a text that names the figure and its limit
     * @param reached whether the measured value is within the limit
     */
    record Target(String what, double value, boolean reached) {
        /** Returns the value, and whether it misses its limit. */
        String text(String missed) {
            return String.format(Locale.ROOT, value < 1_000 ? "%.2f" : "%,.0f", value) + (reached ? "" : missed);
        }
    }
}
