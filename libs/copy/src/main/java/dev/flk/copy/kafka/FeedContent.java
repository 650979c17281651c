// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import dev.flk.copy.kafka.FeedEnds.End;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.LogTruncationException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * The comparison of the topic of events with what it acknowledged. Only a partition whose leader has changed can have
 * lost events; its brokers then say up to which offset they have what an earlier leader had, even if others have
 * written beyond it. Needs no right to read. One thread.
 */
record FeedContent(KafkaSettings settings, String topic, TopicAdmin admin) {
    /** The distance from an event to the end, which is after the marker that commits the event. */
    private static final int WITH_MARKER = 2;

    /** Returns the ends of a log without events. */
    FeedEnds none() {
        return new FeedEnds(admin.topicId(), Map.of());
    }

    /** Returns the ends, not after the known ones, before which the topic still has everything. */
    FeedEnds kept(FeedEnds known) {
        Map<Integer, End> kept = new HashMap<>();
        if (!known.byPartition().isEmpty()) {
            try (Consumer<byte[], byte[]> consumer = FeedPositions.consumer(settings, topic, admin, "none")) {
                known.byPartition()
                        .forEach((partition, end) -> kept.put(partition, new End(kept(consumer, partition, end), 0)));
            }
        }
        return new FeedEnds(admin.topicId(), kept);
    }

    private long kept(Consumer<byte[], byte[]> consumer, int number, End known) {
        TopicPartition partition = new TopicPartition(topic, number);
        consumer.assign(List.of(partition));
        consumer.endOffsets(List.of(partition)); // finds the leader, without which the position is not compared
        consumer.seek(partition, new OffsetAndMetadata(known.offset(), Optional.of(known.epoch()), ""));
        try {
            return consumer.position(partition, admin.limit());
        } catch (LogTruncationException e) {
            OffsetAndMetadata last = e.divergentOffsets().get(partition);
            return last == null ? 0 : last.offset();
        }
    }

    /**
     * Returns the ends after further events; empty if the topic lacks events that it had acknowledged before.
     *
     * @param acknowledged the offsets of the last of these events, by partition; if empty, all partitions are looked at,
     *     and the transaction before must have its markers
     */
    Optional<FeedEnds> after(FeedEnds known, Map<Integer, Long> acknowledged) {
        boolean isLook = acknowledged.isEmpty();
        Map<Integer, End> ends = new HashMap<>(known.byPartition());
        Map<Integer, End> now = admin.ends(isLook ? known.byPartition().keySet() : acknowledged.keySet());
        boolean isDoubtful = isLook && !admin.topicId().equals(known.topicId());
        for (Map.Entry<Integer, End> each : now.entrySet()) {
            End is = each.getValue();
            End was = ends.getOrDefault(each.getKey(), is);
            isDoubtful |= is.epoch() != was.epoch() || is.offset() < was.offset();
            Long last = acknowledged.get(each.getKey());
            ends.put(each.getKey(), new End(last == null ? was.offset() : last + WITH_MARKER, is.epoch()));
        }
        return isDoubtful && !known.areWithin(kept(known))
                ? Optional.empty()
                : Optional.of(new FeedEnds(known.topicId(), ends));
    }
}
