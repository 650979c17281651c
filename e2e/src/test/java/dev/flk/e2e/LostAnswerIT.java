// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.PcsId;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

    private final Map<PcsId, Answer> answered = new ConcurrentHashMap<>();
    private final Map<PcsId, Pcs> sent = new ConcurrentHashMap<>();
    private long nextEpoch = 1;

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
        try (RedisServer redis = RedisServer.startDurable(directory.resolve("redis"));
                BackendProcess other = BackendProcess.start(second, policy(redis, "0.05"))) {
            Client otherClient = new Client(other.url());
            for (int moment = 0; moment < moments; moment++) {
                answered.clear();
                sent.clear();
                try (BackendProcess backend = BackendProcess.start(first, policy(redis, "0.15"))) {
                    submitUntilKilled(backend, redis, random);
                }
                Map<PcsId, Answer> stored = new HashMap<>();
                for (Map.Entry<PcsId, Pcs> one : sent.entrySet()) {
                    stored.put(one.getKey(), answerOf(otherClient, one.getValue()));
                }
                try (BackendProcess again = BackendProcess.start(first, policy(redis, "0.15"))) {
                    new Client(again.url()).awaitReady();
                    Set<String> lost = reportedBy(again.program().allLines());
                    assertThat(new Client(again.url()).metric("flk_lost_outcomes_total"))
                            .isEqualTo(lost.size());
                    Set<String> mustBeReported = differing(answered, stored);
                    assertThat(lost).as("moment " + moment).containsAll(mustBeReported);
                    assertThat(loggedAndDiffering(first, stored))
                            .as("moment " + moment)
                            .containsAll(lost);
                    reported += lost.size();
                    differed += mustBeReported.size();
                    assertThat(again.program().terminate()).isEqualTo(143);
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

    /**
     * Submits certificates until the backend is killed. The other backend's policy rejects every second certificate,
     * and each outcome names the policy that decided it.
     */
    private void submitUntilKilled(BackendProcess backend, RedisServer redis, Random random) throws Exception {
        int enough = 1 + random.nextInt(150);
        boolean emptiedBefore = random.nextInt(4) == 0;
        CountDownLatch answers = new CountDownLatch(enough);
        Thread sender = new Thread(() -> send(backend.url(), answers));
        sender.start();
        answers.await();
        if (emptiedBefore) {
            redis.send("FLUSHALL");
        }
        backend.program().kill();
        sender.join();
        redis.send("FLUSHALL");
    }

    private void send(String url, CountDownLatch answers) {
        Client client = new Client(url);
        try {
            while (true) {
                long epoch = nextEpoch++;
                Pcs pcs = epoch % 2 == 0 ? Pcs.number(epoch) : Pcs.number(epoch).with("D_hat", "1.1");
                sent.put(pcs.id(), pcs);
                Answer answer = client.submit(pcs);
                if (answer.status() != 503) { // 503 if Redis is emptied before the backend is killed
                    answered.put(pcs.id(), answer);
                }
                answers.countDown();
            }
        } catch (IOException e) {
            // the backend was killed
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
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

    private static Set<String> differing(Map<PcsId, Answer> ours, Map<PcsId, Answer> stored) {
        Set<String> ids = new HashSet<>();
        ours.forEach((id, answer) -> {
            Answer theirs = stored.get(id);
            if (theirs.status() != answer.status() || !theirs.body().equals(answer.body())) {
                ids.add(id.toString());
            }
        });
        return ids;
    }

    /** Returns the ids in the first backend's log for which the current outcome was decided by another policy. */
    private Set<String> loggedAndDiffering(Path first, Map<PcsId, Answer> stored) throws IOException {
        Set<String> ids = new HashSet<>();
        Matcher own = POLICY.matcher(answered.values().iterator().next().body());
        assertThat(own.find()).isTrue();
        for (LogFiles.Entry entry : LogFiles.inbox(first.resolve("data/wal")).entries()) {
            stored.forEach((id, answer) -> {
                if (entry.kind() == 's'
                        && entry.body().contains(id.toString())
                        && !answer.body().contains(own.group())) {
                    ids.add(id.toString());
                }
            });
        }
        return ids;
    }
}
