// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.LongFunction;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that the shards that need attention can be found among many shards, from the metrics alone and, except shards
 * that stop sending, from the log alone.
 */
final class ShardsIT {
    private static final Pattern ACCEPTED = Pattern.compile("PCS \\S+ accepted \\(D̂=([0-9.]+), .*\\(shard=(\\S+)\\)");
    private static final Pattern ESCALATED =
            Pattern.compile("PCS \\S+ escalated: .*\\(shard=(\\S+?)(?:, rejected)?\\)");

    @TempDir
    private Path directory;

    @Test
    void oneShardOfAHundred_isFoundInTheLogAndTheMetrics() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = new Client(backend.url());
            batch(client, 0, 100, ShardsIT::usual);
            long half = System.nanoTime();
            // shard 17 drifts, shard 42 makes claims that contradict its data, and shard 77 stops sending
            batch(client, 100, 200, epoch -> switch ((int) (epoch % 100)) {
                case 17 ->
                    usual(epoch)
                            .with("N_j", "{\"2\":5,\"4\":20,\"8\":80,\"16\":320}")
                            .with("D_hat", "2.0");
                case 42 -> usual(epoch).with("D_hat", "1.9");
                case 77 -> usual(epoch).ofShard("line-78");
                default -> usual(epoch);
            });

            Map<String, Double> rejected = samples(client, "outcomes_total", "verdict=\"rejected\",");
            assertThat(rejected.entrySet())
                    .filteredOn(shard -> shard.getValue() > 0)
                    .extracting(Map.Entry::getKey)
                    .containsExactly("line-42");
            assertThat(samples(client, "recomputed_d_hat", "").entrySet())
                    .filteredOn(shard -> shard.getValue() != 1)
                    .extracting(Map.Entry::getKey)
                    .containsExactly("line-17");
            Client.awaitUntil(() -> silent(client, half).equals(Set.of("line-77")));

            // the lines of accepted certificates are written a moment later
            Client.awaitUntil(
                    () -> ACCEPTED.matcher(backend.allLines()).results().count() == 199);
            String log = backend.allLines();
            assertThat(ESCALATED.matcher(log).results().map(line -> line.group(1)))
                    .containsExactly("line-42");
            Map<String, Set<String>> dimensions = new TreeMap<>();
            for (MatchResult line : ACCEPTED.matcher(log).results().toList()) {
                dimensions
                        .computeIfAbsent(line.group(2), shard -> new TreeSet<>())
                        .add(line.group(1));
            }
            assertThat(dimensions).hasSize(100);
            dimensions.values().removeIf(seen -> seen.size() == 1);
            assertThat(dimensions).isEqualTo(Map.of("line-17", Set.of("1.00", "2.00")));
        }
    }

    /** Returns the shards whose newest certificate arrived before the given time. */
    private static Set<String> silent(Client client, long sinceNanos) throws Exception {
        long before = System.nanoTime();
        Map<String, Double> ages = samples(client, "newest_age_seconds", "");
        double limit = (before - sinceNanos) / 1e9;
        return ages.entrySet().stream()
                .filter(shard -> shard.getValue() > limit)
                .map(Map.Entry::getKey)
                .collect(Collectors.toSet());
    }

    private static Pcs usual(long epoch) {
        return Pcs.number(epoch).ofShard("line-" + epoch % 100);
    }

    private static void batch(Client client, long from, long to, LongFunction<Pcs> certificates) throws Exception {
        String lines = LongStream.range(from, to)
                .mapToObj(epoch -> certificates.apply(epoch).json() + "\n")
                .collect(Collectors.joining());
        assertThat(client.batch(lines).body().lines())
                .hasSize((int) (to - from))
                .allMatch(line -> line.startsWith("{\"status\":20"));
    }

    /** Returns the samples of one metric, by shard. */
    private static Map<String, Double> samples(Client client, String name, String otherLabels) throws Exception {
        Pattern sample =
                Pattern.compile("(?m)^flk_shard_" + name + "\\{shard=\"([^\"]*)\"," + otherLabels + "} (\\S+)$");
        return sample.matcher(client.get("/metrics").body())
                .results()
                .collect(Collectors.toMap(found -> found.group(1), found -> Double.valueOf(found.group(2))));
    }
}
