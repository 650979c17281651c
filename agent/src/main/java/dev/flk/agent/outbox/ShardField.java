// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;

/**
 * Reads of a certificate just its {@code shard_id}, to count by it: no further than that member, and whatever stands there is no mistake.
 * Pure.
 */
final class ShardField {
    /** In code points; no backend takes a longer one. */
    private static final int LONGEST = 256;

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .build();

    private ShardField() {}

    /** The name of the shard in the certificate that begins at {@code from}; {@link Shards#OTHERS} if it says none that a backend takes. */
    static String of(byte[] bytes, int from) {
        try (JsonParser json = JSON.createParser(bytes, from, bytes.length - from)) {
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
            // it is counted here, not judged: who sends it finds the mistake and gives the certificate up with a reason
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
