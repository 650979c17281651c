// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.outbox.certificate.JsonMembers;
import java.io.IOException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A table that gives each shard name a number of two bytes, and counts the pending entries under each number. Because
 * names come from untrusted certificates, at most 64 names have their own numbers; all other names share the number of
 * the name {@link #OTHERS}. While the outbox is read at a start, a new name may replace a name without pending entries.
 * After the start, names are no longer replaced, so that certificates can't create an unlimited number of names in a
 * monitoring system. Not safe for several threads.
 */
final class Shards {
    /** The name under which the entries of all shards without a number of their own are counted. */
    static final String OTHERS = "(others)";

    static final int MOST_NAMED = 64;
    /** The maximum length of a shard's name in code points; no backend accepts a longer name. */
    private static final int LONGEST = 256;

    private static final short NUMBER_OF_OTHERS = 0;
    /** A factory whose parsers accept tokens of any length, and which forgets the names that they read. */
    private static final JsonFactory FACTORY = JsonMembers.unbounded()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .build();

    private final Map<String, Short> numbers = new HashMap<>();
    private final @Nullable String[] names = new @Nullable String[MOST_NAMED + 1];
    private final int[] waiting = new int[MOST_NAMED + 1];
    private boolean permanent;

    Shards() {
        names[NUMBER_OF_OTHERS] = OTHERS;
        numbers.put(OTHERS, NUMBER_OF_OTHERS);
    }

    /**
     * Returns the number of a name. A new name gets a free number; if no number is free, returns the number of {@link
     * #OTHERS}.
     */
    short number(String name) {
        Short known = numbers.get(name);
        if (known != null) {
            return known;
        }
        short free = freeNumber();
        if (free == NUMBER_OF_OTHERS && !permanent) {
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

    /** Removes the names without pending entries, and makes all other names permanent. */
    void keepNames() {
        forgetIdle();
        permanent = true;
    }

    /** Returns the name under which entries with this number are counted. */
    String name(short number) {
        String name = names[number];
        if (name == null) {
            throw new IllegalArgumentException("no shard has the number " + number);
        }
        return name;
    }

    /** Adds one to the count of pending entries of the shard with this number. */
    void increment(short number) {
        waiting[number]++;
    }

    /** Subtracts one from the count of pending entries of the shard with this number. */
    void decrement(short number) {
        waiting[number]--;
    }

    /** Returns the count of pending entries of the shard with this number. */
    int waiting(short number) {
        return waiting[number];
    }

    /** Returns a map from numbers to names, in the order of the numbers. The map always contains {@link #OTHERS}. */
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
     * Returns the {@code shard_id} of the certificate that begins at index {@code from}; {@link #OTHERS} if the
     * certificate has no shard id that a backend would accept, or is too long to be parsed. Stops reading after the
     * shard id; the rest of the certificate is not validated.
     */
    static String nameIn(byte[] bytes, int from) {
        int length = bytes.length - from;
        return length > CertificateLimit.BYTES
                ? OTHERS
                : CertificateLimit.parsing(length, () -> parsedNameIn(bytes, from));
    }

    private static String parsedNameIn(byte[] bytes, int from) {
        try (JsonParser json = FACTORY.createParser(bytes, from, bytes.length - from)) {
            boolean isObject = json.nextToken() == JsonToken.START_OBJECT;
            while (isObject && json.nextToken() == JsonToken.FIELD_NAME) {
                boolean isShard = json.currentName().equals("shard_id");
                JsonToken value = json.nextToken();
                if (isShard) {
                    return value == JsonToken.VALUE_STRING && fits(json.getText()) ? json.getText() : OTHERS;
                }
                json.skipChildren();
            }
            return OTHERS;
        } catch (IOException e) {
            // not reported here, because the sender also finds out that the certificate is malformed, and gives it up
            // with a reason
            return OTHERS;
        }
    }

    private static boolean fits(String shardId) {
        return !shardId.isEmpty()
                && shardId.length() <= 2 * LONGEST
                && shardId.codePointCount(0, shardId.length()) <= LONGEST;
    }
}
