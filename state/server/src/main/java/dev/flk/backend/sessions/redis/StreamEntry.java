// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.StoredSession.Kind;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A change in the stream.
 *
 * @param entry the id of the entry
 * @param isRequeued whether the change was put back from the dead stream
 */
record StreamEntry(String entry, StoredSession change, boolean isRequeued) {
    /**
     * Reads an entry as a script returns it: its id and the list of its fields.
     *
     * @throws IllegalArgumentException if the entry is not a change of a session
     */
    static StreamEntry of(List<?> reply) {
        List<?> texts = (List<?>) reply.get(1);
        Map<String, String> fields = new HashMap<>();
        for (int i = 0; i + 1 < texts.size(); i += 2) {
            fields.put((String) texts.get(i), (String) texts.get(i + 1));
        }
        return new StreamEntry(
                (String) reply.get(0),
                new StoredSession(
                        field(fields, "id"),
                        Long.parseLong(field(fields, "version")),
                        Kind.parse(field(fields, "kind")),
                        Long.parseLong(field(fields, "changed_at")),
                        Long.parseLong(field(fields, "expires_at")),
                        field(fields, "state")),
                fields.containsKey(SessionScript.REQUEUED));
    }

    private static String field(Map<String, String> fields, String name) {
        String value = fields.get(name);
        if (value == null) {
            throw new IllegalArgumentException("the entry has no field " + name);
        }
        return value;
    }
}
