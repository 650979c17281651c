// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.LoadClient.Answered;
import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Ten times as many submissions under way as bring the best throughput: how much of that is left. Rounds of both alternate, and
 * the medians are compared, since the machine has other things to do.
 *
 * <p>The short form is for every build, and asks for half; it stops at the first median that has it, so that it finds a collapse
 * and proves no figure. {@code mvn verify -Dflk.load=full -Dit.test=OverloadIT} asks for four
 * fifths, which needs a machine with nothing else to do.
 */
@Alone
@Tag("thorough")
final class OverloadIT {
    private static final boolean FULL = "full".equals(System.getProperty("flk.load"));
    private static final double LEAST_RATIO = FULL ? 0.8 : 0.5;
    private static final int ROUNDS = FULL ? 9 : 3;
    /** The short form goes on for as long while it is below, so that a busy machine fails no build; the full one never does. */
    private static final int MOST_ROUNDS = FULL ? ROUNDS : 12;

    private static final Duration WARM_UP = Duration.ofMillis(FULL ? 1000 : 300);
    private static final Duration MEASURED = Duration.ofMillis(FULL ? 3000 : 1000);
    /** A round that uses all of them up ends early. */
    private static final int CERTIFICATES = FULL ? 200_000 : 60_000;

    private static final int CONNECTIONS = 64;
    private static final int DEPTH = 16;
    private static final int TIMES = 10;

    @TempDir
    private Path directory;

    private final Deque<byte[]> stock = new ArrayDeque<>();
    private long nextEpoch;

    @Test
    void tenTimesTheLoad_ofWhichMostFindsRoom_isDecidedNearlyAsFast() throws Exception {
        compare("MAX_REQUESTS as by default", Map.of());
    }

    @Test
    void tenTimesTheLoad_ofWhichMostIsRefused_isDecidedNearlyAsFast() throws Exception {
        compare("MAX_REQUESTS=1024", Map.of("MAX_REQUESTS", Integer.toString(CONNECTIONS * DEPTH)));
    }

    private void compare(String name, Map<String, String> configuration) throws Exception {
        List<Answered> best = new ArrayList<>();
        List<Answered> tenfold = new ArrayList<>();
        try (BackendProcess backend = BackendProcess.start(directory, configuration)) {
            round(backend, CONNECTIONS);
            while (best.size() < ROUNDS || (ratio(tenfold, best) < LEAST_RATIO && best.size() < MOST_ROUNDS)) {
                best.add(round(backend, CONNECTIONS));
                tenfold.add(round(backend, TIMES * CONNECTIONS));
            }
            assertThat(new Client(backend.url()).metric("flk_http_requests_in_flight"))
                    .isZero();
        }
        System.out.printf(
                "overload, %s: %.0f decided/s with %d requests under way, %.0f with %d (%.0f/s refused): ratio %.2f,"
                        + " medians of %d rounds%n",
                name,
                median(best),
                CONNECTIONS * DEPTH,
                median(tenfold),
                TIMES * CONNECTIONS * DEPTH,
                tenfold.stream()
                        .mapToDouble(Answered::refusedPerSecond)
                        .average()
                        .orElseThrow(),
                ratio(tenfold, best),
                best.size());
        assertThat(ratio(tenfold, best)).isGreaterThanOrEqualTo(LEAST_RATIO);
    }

    private Answered round(BackendProcess backend, int connections) throws Exception {
        while (stock.size() < CERTIFICATES) {
            stock.add(LoadClient.request(Pcs.number(nextEpoch++).bytes()));
        }
        try (LoadClient load = new LoadClient(backend.port(), connections, DEPTH, stock)) {
            Answered answered = load.run(WARM_UP, MEASURED);
            assertThat(answered.others()).isZero();
            return answered;
        }
    }

    private static double ratio(List<Answered> some, List<Answered> others) {
        return median(some) / median(others);
    }

    private static double median(List<Answered> rounds) {
        double[] sorted =
                rounds.stream().mapToDouble(Answered::decidedPerSecond).sorted().toArray();
        return sorted[sorted.length / 2];
    }
}
