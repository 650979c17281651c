// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.copy.CopyTopic.Entry;
import dev.flk.program.config.Settings;
import dev.flk.program.health.Finding;
import dev.flk.program.health.Finding.Grade;
import dev.flk.testkit.KafkaBrokers;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of a topic on three brokers that are processes, while these die. */
@Tag("thorough")
class KilledBrokersTest {
    private static final int KILLS = 4;
    private static final int UNDER_WAY = 64;
    private static final int ACKNOWLEDGED_BETWEEN = 2_000;
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    @TempDir
    Path directory;

    /** Sends numbers as fast as they are acknowledged, until it is stopped. */
    private static final class Load implements Runnable {
        private final KafkaTopic topic;
        private final NavigableMap<Long, Integer> acknowledged = new ConcurrentSkipListMap<>();
        private final Semaphore room = new Semaphore(UNDER_WAY);
        private volatile boolean isStopped;

        Load(KafkaTopic topic) {
            this.topic = topic;
        }

        @Override
        public void run() {
            for (int i = 0; !isStopped; i++) {
                int number = i;
                room.acquireUninterruptibly();
                topic.send(ByteBuffer.allocate(700).putInt(number).array()).whenComplete((offset, failure) -> {
                    if (failure == null) {
                        assertThat(acknowledged.put(offset, number)).isNull();
                    }
                    room.release();
                });
            }
            room.acquireUninterruptibly(UNDER_WAY);
        }

        void awaitMore(int count) {
            int end = acknowledged.size() + count;
            await().atMost(PATIENCE).until(() -> acknowledged.size() >= end);
        }
    }

    @Test
    void leadersThatAreKilledUnderLoad_loseNothingThatWasAcknowledged() throws Exception {
        try (KafkaBrokers brokers = KafkaBrokers.start(directory, 3)) {
            KafkaSettings settings = KafkaSettings.read(
                    new Settings(KafkaSettings.KEYS, brokers.configuration(), null), "LOG_COPY=kafka");
            String name = settings.topicOf("killed");
            assertThat(new TopicCheck(settings, name).run(true))
                    .extracting(Finding::grade)
                    .containsOnly(Grade.GOOD);
            try (KafkaTopic topic = new KafkaTopic(settings, name)) {
                Load load = new Load(topic);
                Thread sender = new Thread(load, "load");
                sender.start();
                for (int i = 0; i < KILLS; i++) {
                    load.awaitMore(ACKNOWLEDGED_BETWEEN);
                    int leader = brokers.leader(name);
                    if (i % 2 == 0) {
                        brokers.broker(leader).kill();
                        load.awaitMore(ACKNOWLEDGED_BETWEEN);
                        brokers.broker(leader).restart();
                    } else {
                        long before = topic.end(); // which knows the leader from now on
                        brokers.broker(leader).pause();
                        load.awaitMore(ACKNOWLEDGED_BETWEEN);
                        brokers.broker(leader).resume();
                        long acknowledged = load.acknowledged.lastKey();
                        assertThat(topic.end())
                                .as("a leader that was paused does not know that it was replaced")
                                .isGreaterThan(acknowledged)
                                .isGreaterThan(before);
                    }
                    brokers.awaitJoined();
                    await().atMost(PATIENCE)
                            .until(() -> new TopicCheck(settings, name)
                                    .run(false).stream().allMatch(each -> each.grade() == Grade.GOOD));
                }
                load.isStopped = true;
                sender.join(TimeUnit.MINUTES.toMillis(1));
                assertThat(sender.isAlive()).isFalse();

                Map<Long, Integer> missing = new TreeMap<>(load.acknowledged);
                long end = topic.end();
                for (long from = topic.begin(); from < end; ) {
                    for (Entry entry : topic.read(from, end)) {
                        missing.remove(
                                entry.offset(), ByteBuffer.wrap(entry.value()).getInt());
                        from = entry.offset() + 1;
                    }
                }
                assertThat(load.acknowledged).hasSizeGreaterThan(2 * KILLS * ACKNOWLEDGED_BETWEEN);
                assertThat(missing).isEmpty();
            }
        }
    }
}
