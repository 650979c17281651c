// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.e2e.Traffic.Sent;
import dev.flk.sample.Pcs;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of two backends with different policies on one Redis. The first backend answers and is killed, Redis is
 * emptied, and the second backend records different outcomes. When the first backend restarts, it must log every answer
 * that no longer applies, and only answers that it may have given. {@code -Dflk.lostMoments=200} repeats this 200
 * times.
 */
@Tag("thorough")
final class LostAnswerIT {
    private static final Pattern REPORTED =
            Pattern.compile("PCS ([0-9a-f]{64}) outcome lost: its sender may have been answered ");

    private static final Pattern POLICY = Pattern.compile("\"policy\":\"[0-9a-f]{12}\"");

    @TempDir
    private Path directory;

    @Test
    void killedAndEmptiedAtRandomMoments_changedAnswersAreReported() throws Exception {
        long seed = Long.getLong("flk.seed", System.nanoTime());
        System.out.println("moments are chosen with -Dflk.seed=" + seed);
        Random random = new Random(seed);
        int moments = Integer.getInteger("flk.lostMoments", 3);
        Path first = Files.createDirectories(directory.resolve("first"));
        Path second = Files.createDirectories(directory.resolve("second"));
        int reported = 0;
        int differed = 0;
        // the other backend's policy rejects every second certificate; each outcome names its policy
        KilledUnderTraffic traffic = new KilledUnderTraffic(
                epoch -> epoch % 2 == 0 ? Pcs.number(epoch) : Pcs.number(epoch).with("D_hat", "1.1"));
        try (RedisServer redis = RedisServer.startDurable(directory.resolve("redis"));
                ServedBackend other = BackendInJvm.start(second, policy(redis, "0.05"))) {
            Client otherClient = new Client(other.url());
            for (int moment = 0; moment < moments; moment++) {
                List<Sent> sent;
                boolean emptiedBefore = random.nextInt(4) == 0;
                try (BackendProcess backend = BackendProcess.start(first, policy(redis, "0.15"))) {
                    new Client(backend.url()).awaitReady();
                    sent = traffic.kill(backend, 1 + random.nextInt(150), () -> {
                        if (emptiedBefore) {
                            redis.send("FLUSHALL");
                        }
                    });
                }
                redis.send("FLUSHALL");
                Map<String, Answer> stored = new HashMap<>();
                for (Sent one : sent) {
                    stored.put(one.pcs().id().toString(), answerOf(otherClient, one.pcs()));
                }
                try (ServedBackend again = BackendInJvm.start(first, policy(redis, "0.15"))) {
                    new Client(again.url()).awaitReady();
                    Set<String> lost = reportedBy(again.allLines());
                    assertThat(new Client(again.url()).metric("flk_lost_outcomes_total"))
                            .isEqualTo(lost.size());
                    Set<String> mustBeReported = differing(sent, stored);
                    assertThat(lost).as("moment " + moment).containsAll(mustBeReported);
                    assertThat(loggedAndDiffering(first, sent, stored))
                            .as("moment " + moment)
                            .containsAll(lost);
                    reported += lost.size();
                    differed += mustBeReported.size();
                }
            }
        }
        System.out.printf(
                "LostAnswerIT: %d moments, %d answers stood no more, %d were told%n", moments, differed, reported);
        assertThat(differed).isPositive();
    }

    private static Map<String, String> policy(RedisServer redis, String tolerance) {
        Map<String, String> configuration = new HashMap<>(redis.configuration());
        configuration.put("TOL_D", tolerance);
        return configuration;
    }

    /** Blocks until the backend's store is complete again, and returns the answer to a certificate. */
    private static Answer answerOf(Client client, Pcs pcs) {
        Answer[] answer = new Answer[1];
        Client.awaitUntil(() -> {
            answer[0] = client.submit(pcs);
            return answer[0].status() != 503;
        });
        return answer[0];
    }

    private static Set<String> reportedBy(String lines) {
        Set<String> reported = new HashSet<>();
        Matcher line = REPORTED.matcher(lines);
        while (line.find()) {
            reported.add(line.group(1));
        }
        return reported;
    }

    private static Set<String> differing(List<Sent> sent, Map<String, Answer> stored) {
        return sent.stream()
                .filter(one -> one.isAcknowledged()
                        && (stored.get(one.pcs().id().toString()).status() != one.status()
                                || !stored.get(one.pcs().id().toString()).body().equals(one.body())))
                .map(one -> one.pcs().id().toString())
                .collect(Collectors.toSet());
    }

    /** Returns the ids in the first backend's log for which the current outcome was decided by another policy. */
    private static Set<String> loggedAndDiffering(Path first, List<Sent> sent, Map<String, Answer> stored)
            throws IOException {
        Matcher own = POLICY.matcher(sent.stream()
                .filter(Sent::isAcknowledged)
                .findFirst()
                .orElseThrow()
                .body());
        assertThat(own.find()).isTrue();
        return LogFiles.inbox(first.resolve("data/wal")).entries().stream()
                .filter(entry -> entry.kind() == 's')
                .map(entry -> StrictJson.read(entry.body()).path("pcs_id").asText())
                .filter(id -> stored.containsKey(id) && !stored.get(id).body().contains(own.group()))
                .collect(Collectors.toSet());
    }
}
