// SPDX-License-Identifier: Apache-2.0
package dev.flk.feed;

import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * An event.
 *
 * @param key events with the same key are in one partition, so they are read in order
 * @param value the bytes; not copied, so they must not change
 * @param headers texts by name, in their order
 */
public record FeedEvent(String key, byte[] value, Map<String, String> headers) {
    /** The largest number of bytes that the key and the headers may have together, with 16 more for each header. */
    public static final int MAX_HEAD_BYTES = 3 << 10;

    private static final int HEADER_BYTES = 16;

    public FeedEvent {
        headers = Collections.unmodifiableMap(new LinkedHashMap<>(headers));
        int head = utf8(key);
        for (Map.Entry<String, String> each : headers.entrySet()) {
            head += HEADER_BYTES + utf8(each.getKey()) + utf8(each.getValue());
        }
        if (head > MAX_HEAD_BYTES) {
            throw new IllegalArgumentException("the key and the headers of event " + key + " have " + head
                    + " bytes, more than " + MAX_HEAD_BYTES);
        }
    }

    private static int utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8).length;
    }
}
