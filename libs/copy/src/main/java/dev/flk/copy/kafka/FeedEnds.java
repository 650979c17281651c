// SPDX-License-Identifier: Apache-2.0
package dev.flk.copy.kafka;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The ends of a log's events in the topic of events, as they were acknowledged. They are stored with each position, as
 * the text {@code <topic's id> <partition>:<offset>:<epoch>,…}.
 *
 * @param topicId the id of the topic, which another topic of the same name does not have
 * @param byPartition the ends in the partitions that have events of the log
 */
record FeedEnds(String topicId, Map<Integer, End> byPartition) {
    private static final Pattern TEXT =
            Pattern.compile("([A-Za-z0-9_-]{1,64}) ((?:[0-9]{1,9}:[0-9]{1,18}:[0-9]{1,9},)*)");

    FeedEnds {
        byPartition = Map.copyOf(byPartition);
    }

    /**
     * The end in a partition.
     *
     * @param offset the offset after the last event and the marker that commits it
     * @param epoch the epoch of the partition's leader when the event was there; only a leader with a later one can lack it
     */
    record End(long offset, int epoch) {}

    /** Returns whether the topic that has retained everything before the other ends has everything before these. */
    boolean areWithin(FeedEnds others) {
        return topicId.equals(others.topicId)
                && byPartition.entrySet().stream().allMatch(each -> {
                    End other = others.byPartition.get(each.getKey());
                    return other != null && each.getValue().offset() <= other.offset();
                });
    }

    String text() {
        return byPartition.entrySet().stream()
                .map(each -> each.getKey() + ":" + each.getValue().offset() + ":"
                        + each.getValue().epoch() + ",")
                .collect(Collectors.joining("", topicId + " ", ""));
    }

    static Optional<FeedEnds> parse(String text) {
        Matcher matched = TEXT.matcher(text);
        if (!matched.matches()) {
            return Optional.empty();
        }
        Map<Integer, End> ends = new HashMap<>();
        matched.group(2)
                .lines()
                .flatMap(all -> Pattern.compile(",").splitAsStream(all))
                .forEach(each -> {
                    String[] numbers = each.split(":", -1);
                    ends.put(
                            Integer.parseInt(numbers[0]),
                            new End(Long.parseLong(numbers[1]), Integer.parseInt(numbers[2])));
                });
        return Optional.of(new FeedEnds(matched.group(1), ends));
    }
}
