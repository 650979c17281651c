// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Numbers for the names of shards, two bytes each, and how many entries of each wait. Names come from outside: the first 64 have a number
 * of their own, those that come later share one. While the outbox is read, a name of which nothing waits gives way to one that comes; after
 * that no name goes, so that no stranger makes a monitoring system see ever new ones. Not for several threads.
 */
final class Shards {
    /** What has no name of its own counts under this. */
    static final String OTHERS = "(others)";

    static final int MOST_NAMED = 64;
    private static final short NUMBER_OF_OTHERS = 0;

    private final Map<String, Short> numbers = new HashMap<>();
    private final @Nullable String[] names = new @Nullable String[MOST_NAMED + 1];
    private final int[] waiting = new int[MOST_NAMED + 1];
    private boolean namesStay;

    Shards() {
        names[NUMBER_OF_OTHERS] = OTHERS;
        numbers.put(OTHERS, NUMBER_OF_OTHERS);
    }

    /** The number of a name, which gets one if there is room. */
    short number(String name) {
        Short known = numbers.get(name);
        if (known != null) {
            return known;
        }
        short free = freeNumber();
        if (free == NUMBER_OF_OTHERS && !namesStay) {
            forgetIdle();
            free = freeNumber();
        }
        if (free != NUMBER_OF_OTHERS) {
            names[free] = name;
            numbers.put(name, free);
        }
        return free;
    }

    private short freeNumber() {
        for (short number = 1; numbers.size() < names.length && number < names.length; number++) {
            if (names[number] == null) {
                return number;
            }
        }
        return NUMBER_OF_OTHERS;
    }

    private void forgetIdle() {
        for (int number = 1; number < names.length; number++) {
            if (names[number] != null && waiting[number] == 0) {
                numbers.remove(names[number]);
                names[number] = null;
            }
        }
    }

    /** From now on a name that has a number keeps it; those of which nothing waits have lost theirs before. */
    void keepNames() {
        forgetIdle();
        namesStay = true;
    }

    /** The name that entries of this number count under. */
    String name(short number) {
        String name = names[number];
        if (name == null) {
            throw new IllegalArgumentException("no shard has the number " + number);
        }
        return name;
    }

    /** One more of this number waits. */
    void came(short number) {
        waiting[number]++;
    }

    /** One of this number waits no more. */
    void went(short number) {
        waiting[number]--;
    }

    /** How many entries wait, by number. */
    int waiting(short number) {
        return waiting[number];
    }

    /** Every number that has a name, and the name, in the order of the numbers; the others' is always among them. */
    Map<Short, String> all() {
        Map<Short, String> all = new LinkedHashMap<>();
        for (short number = 0; number < names.length; number++) {
            String name = names[number];
            if (name != null) {
                all.put(number, name);
            }
        }
        return all;
    }

    /**
     * Reads the {@code shard_id} of a certificate, to count by it: no further than that member, and without judging the rest. Pure.
     */
    static final class ShardField {
        /** In code points; no backend takes a longer one. */
        private static final int LONGEST = 256;

        private ShardField() {}

        /**
         * The name of the shard in the certificate that begins at {@code from}; {@link Shards#OTHERS} if it says none
         * that a backend takes.
         */
        static String of(byte[] bytes, int from) {
            try (JsonParser json = UnboundedJson.FACTORY.createParser(bytes, from, bytes.length - from)) {
                if (json.nextToken() != JsonToken.START_OBJECT) {
                    return Shards.OTHERS;
                }
                while (json.nextToken() == JsonToken.FIELD_NAME) {
                    boolean isIt = json.currentName().equals("shard_id");
                    JsonToken value = json.nextToken();
                    if (isIt) {
                        return value == JsonToken.VALUE_STRING ? named(json.getText()) : Shards.OTHERS;
                    }
                    json.skipChildren();
                }
                return Shards.OTHERS;
            } catch (IOException e) {
                // counted here, not judged: sending finds the mistake and gives the certificate up with a reason
                return Shards.OTHERS;
            }
        }

        private static String named(String shardId) {
            boolean fits = !shardId.isEmpty()
                    && shardId.length() <= 2 * LONGEST
                    && shardId.codePointCount(0, shardId.length()) <= LONGEST;
            return fits ? shardId : Shards.OTHERS;
        }
    }
}
