// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Committed;
import dev.flk.state.Event.Change;
import dev.flk.state.StateKey;
import dev.flk.state.Storage.Answered;
import dev.flk.state.Storage.RequestKey;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The keys and values in RocksDB, format 3. Integers are big-endian; texts are UTF-8. The number after a field is the
 * field's size in bytes. A 0 after a name is a zero byte: it ends the name and preserves the order of names, which have
 * no control characters. {@code ~} is the bitwise complement, which sorts the newest first.
 *
 * <pre>
 * family    key                                              value
 * default   "format"                                         4 bytes: the format
 *           "history"                                        the id of the history
 *           "floor"                                          revision 8, committed at 8
 *           "log"                                            the first record of the {@link CommitLog} that is not in
 *                                                            RocksDB 8; missing in a backup
 *           "trimmed/", namespace                            revision for readers 8, revision up to which the trim is
 *                                                            complete 8
 *           "removed"                                        revision up to which removed changes may lack an entry
 *                                                            "removed/" 8
 *           "removed/", namespace 0 agent                    newest revision of a removed change of the agent that can
 *                                                            no longer be found in the versions 8
 * events    revision 8, zero 4                               committed at 8, number of changes 4; if some were trimmed,
 *                                                            also the number that remains 4
 *           revision 8, place in the transaction (from 1) 4  kind 1 (0 deleted, 1 written, 2 written with a
 *                                                            lifetime), version 8, length of the namespace 2, of the
 *                                                            agent 2, of the name 2; namespace, agent, name; for kind 2,
 *                                                            lifetime in microseconds 8; JSON
 * latest    namespace 0 agent 0 name                         {@link Pointer}
 * versions  namespace 0 agent 0 name 0 ~revision 8 ~place 4  {@link Pointer}
 * requests  "l", end of the lifetime 8, the key in latest    nothing
 *           "r", length of the caller 2, caller, request id  expires at 8, length of the content 4, content,
 *                                                            revision 8, committed at 8, versions 4, each 8
 *           "x", expires at 8, the key above                 nothing
 * </pre>
 */
final class StateLayout {
    static final int FORMAT = 3;
    static final byte[] FORMAT_KEY = "format".getBytes(StandardCharsets.US_ASCII);
    static final byte[] HISTORY_KEY = "history".getBytes(StandardCharsets.US_ASCII);
    static final byte[] FLOOR_KEY = "floor".getBytes(StandardCharsets.US_ASCII);
    static final byte[] NEXT_RECORD_KEY = "log".getBytes(StandardCharsets.US_ASCII);
    static final byte[] REMOVED_KEY = "removed".getBytes(StandardCharsets.US_ASCII);
    static final String REMOVED = "removed/";
    static final String TRIMMED = "trimmed/";

    /** The number of bytes after the name in a key of {@code versions}. */
    static final int PLACE_BYTES = 1 + Long.BYTES + Integer.BYTES;

    private static final int CHANGE_HEAD_BYTES = 1 + Long.BYTES + 3 * Short.BYTES;
    private static final byte DELETED = 0;
    private static final byte WRITTEN = 1;
    private static final byte WRITTEN_WITH_TTL = 2;
    private static final byte LIFETIME = 'l';
    private static final byte ANSWER = 'r';
    private static final byte EXPIRY = 'x';

    private StateLayout() {}

    /**
     * The position of a version in the events. It is encoded in 29 bytes: version 8, revision 8, place 4, committed at
     * 8, kind 1 (1 written, 0 deleted). In {@code latest}, the end of the key's lifetime, if it has one, follows in 8
     * bytes.
     *
     * @param place the place of the change in its transaction, from 1
     * @param expiresAtMicros 0 for no lifetime
     */
    record Pointer(
            long version, long revision, int place, long committedAtMicros, boolean exists, long expiresAtMicros) {
        private static final int BYTES = 3 * Long.BYTES + Integer.BYTES + 1;

        /** Creates the position of a version, without a lifetime. */
        Pointer(long version, long revision, int place, long committedAtMicros, boolean exists) {
            this(version, revision, place, committedAtMicros, exists, 0);
        }

        /** Returns the same position with the end of a lifetime; 0 for no lifetime. */
        Pointer expiringAt(long micros) {
            return new Pointer(version, revision, place, committedAtMicros, exists, micros);
        }

        byte[] encode() {
            ByteBuffer bytes = ByteBuffer.allocate(BYTES + (expiresAtMicros == 0 ? 0 : Long.BYTES))
                    .putLong(version)
                    .putLong(revision)
                    .putInt(place)
                    .putLong(committedAtMicros)
                    .put((byte) (exists ? 1 : 0));
            return (expiresAtMicros == 0 ? bytes : bytes.putLong(expiresAtMicros)).array();
        }

        boolean isAt(long ofRevision, int ofPlace) {
            return revision == ofRevision && place == ofPlace;
        }

        static Pointer decode(byte[] value) {
            if (value.length != BYTES && value.length != BYTES + Long.BYTES) {
                throw new IllegalArgumentException("a pointer to a version has " + value.length + " bytes");
            }
            ByteBuffer bytes = ByteBuffer.wrap(value);
            return new Pointer(
                    bytes.getLong(),
                    bytes.getLong(),
                    bytes.getInt(),
                    bytes.getLong(),
                    bytes.get() == 1,
                    bytes.hasRemaining() ? bytes.getLong() : 0);
        }
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes, int from, int to) {
        return new String(bytes, from, to - from, StandardCharsets.UTF_8);
    }

    /** Joins parts with zero bytes. */
    static byte[] path(String... parts) {
        return utf8(String.join("\0", parts));
    }

    static byte[] latest(StateKey key) {
        return path(key.namespace(), key.agentId(), key.name());
    }

    /**
     * Returns a key of {@code versions}. With place -1, a seek from this key finds the newest version at or below the
     * revision.
     */
    static byte[] version(StateKey key, long revision, int place) {
        return version(latest(key), revision, place);
    }

    /** Returns the key of {@code versions} for a key of {@code latest}; see {@link #version(StateKey, long, int)}. */
    static byte[] version(byte[] latest, long revision, int place) {
        return ByteBuffer.allocate(latest.length + PLACE_BYTES)
                .put(latest)
                .put((byte) 0)
                .putLong(~revision)
                .putInt(~place)
                .array();
    }

    /** Returns the namespace, agent and name in a key of {@code latest}. */
    static String[] parts(byte[] latest) {
        int first = zero(latest, 0);
        int second = zero(latest, first + 1);
        return new String[] {
            text(latest, 0, first), text(latest, first + 1, second), text(latest, second + 1, latest.length)
        };
    }

    /** Decodes a key of {@code latest}. */
    static StateKey key(byte[] latest) {
        String[] parts = parts(latest);
        return new StateKey(parts[0], parts[1], parts[2]);
    }

    private static int zero(byte[] bytes, int from) {
        for (int at = from; at < bytes.length; at++) {
            if (bytes[at] == 0) {
                return at;
            }
        }
        throw new IllegalArgumentException("a key has a name without a zero byte at its end");
    }

    static boolean startsWith(byte[] bytes, byte[] prefix) {
        return bytes.length >= prefix.length && Arrays.equals(bytes, 0, prefix.length, prefix, 0, prefix.length);
    }

    /** Returns the key of an event's header (place 0) or of one of its changes. */
    static byte[] event(long revision, int place) {
        return ByteBuffer.allocate(Long.BYTES + Integer.BYTES)
                .putLong(revision)
                .putInt(place)
                .array();
    }

    static byte[] ints(int value) {
        return ByteBuffer.allocate(Integer.BYTES).putInt(value).array();
    }

    static byte[] longs(long... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * Long.BYTES);
        for (long value : values) {
            bytes.putLong(value);
        }
        return bytes.array();
    }

    /**
     * The header of an event.
     *
     * @param total the number of changes that the transaction made
     * @param kept the number of changes that are still stored
     */
    record Header(long committedAtMicros, int total, int kept) {
        byte[] encode() {
            ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES + (total == kept ? 1 : 2) * Integer.BYTES)
                    .putLong(committedAtMicros)
                    .putInt(total);
            return (total == kept ? bytes : bytes.putInt(kept)).array();
        }

        static Header decode(byte[] value) {
            ByteBuffer bytes = ByteBuffer.wrap(value);
            long committedAtMicros = bytes.getLong();
            int total = bytes.getInt();
            return new Header(committedAtMicros, total, bytes.hasRemaining() ? bytes.getInt() : total);
        }
    }

    /**
     * Returns the key under which a namespace's trim position is stored. The value at this key is two revisions: the
     * revision up to which the namespace is trimmed for readers, and the revision up to which the removal is complete.
     */
    static byte[] trimmed(String namespace) {
        return utf8(TRIMMED + namespace);
    }

    /** Returns the key under which the newest revision of an agent's removed changes is stored. */
    static byte[] removed(String namespace, String agentId) {
        return path(REMOVED + namespace, agentId);
    }

    static byte[] change(Change change) {
        byte[] namespace = utf8(change.key().namespace());
        byte[] agentId = utf8(change.key().agentId());
        byte[] name = utf8(change.key().name());
        byte[] json = change.json() == null ? new byte[0] : utf8(change.json());
        boolean hasTtl = change.ttlMicros() != 0;
        byte[] ttl = hasTtl ? longs(change.ttlMicros()) : new byte[0];
        return ByteBuffer.allocate(
                        CHANGE_HEAD_BYTES + namespace.length + agentId.length + name.length + ttl.length + json.length)
                .put(change.json() == null ? DELETED : hasTtl ? WRITTEN_WITH_TTL : WRITTEN)
                .putLong(change.version())
                .putShort((short) namespace.length)
                .putShort((short) agentId.length)
                .putShort((short) name.length)
                .put(namespace)
                .put(agentId)
                .put(name)
                .put(ttl)
                .put(json)
                .array();
    }

    /** Returns the size of an encoded change besides its value, or 8 bytes more if the value has no lifetime. */
    static int changeBytes(StateKey key) {
        return CHANGE_HEAD_BYTES + latest(key).length - 2 + Long.BYTES;
    }

    static Change change(byte[] value) {
        ByteBuffer bytes = ByteBuffer.wrap(value);
        byte kind = bytes.get();
        long version = bytes.getLong();
        int agentAt = CHANGE_HEAD_BYTES + bytes.getShort();
        int nameAt = agentAt + bytes.getShort();
        int endOfName = nameAt + bytes.getShort();
        StateKey key = new StateKey(
                text(value, CHANGE_HEAD_BYTES, agentAt), text(value, agentAt, nameAt), text(value, nameAt, endOfName));
        long ttlMicros = kind == WRITTEN_WITH_TTL ? bytes.getLong(endOfName) : 0;
        int jsonAt = endOfName + (kind == WRITTEN_WITH_TTL ? Long.BYTES : 0);
        return new Change(key, version, kind == DELETED ? null : text(value, jsonAt, value.length), ttlMicros);
    }

    /** Returns whether an encoded change is of this agent; decodes only the names. */
    static boolean isOfAgent(byte[] change, String namespace, String agentId) {
        ByteBuffer bytes = ByteBuffer.wrap(change, 1 + Long.BYTES, 2 * Short.BYTES);
        int agentAt = CHANGE_HEAD_BYTES + bytes.getShort();
        int nameAt = agentAt + bytes.getShort();
        return text(change, CHANGE_HEAD_BYTES, agentAt).equals(namespace)
                && text(change, agentAt, nameAt).equals(agentId);
    }

    /** Returns the key of an entry that orders the keys in {@code latest} by the ends of their lifetimes. */
    static byte[] lifetime(long expiresAtMicros, byte[] latest) {
        return ByteBuffer.allocate(1 + Long.BYTES + latest.length)
                .put(LIFETIME)
                .putLong(expiresAtMicros)
                .put(latest)
                .array();
    }

    /** Returns the common prefix of all keys that {@link #lifetime} returns. */
    static byte[] lifetimesPrefix() {
        return new byte[] {LIFETIME};
    }

    static byte[] request(RequestKey key) {
        byte[] caller = utf8(key.caller());
        byte[] id = utf8(key.requestId());
        return ByteBuffer.allocate(1 + Short.BYTES + caller.length + id.length)
                .put(ANSWER)
                .putShort((short) caller.length)
                .put(caller)
                .put(id)
                .array();
    }

    /** Decodes the key of a request. */
    static RequestKey request(byte[] key) {
        int idAt = 1 + Short.BYTES + ByteBuffer.wrap(key).getShort(1);
        return new RequestKey(text(key, 1 + Short.BYTES, idAt), text(key, idAt, key.length));
    }

    static byte[] expiry(long expiresAtMicros, byte[] request) {
        return ByteBuffer.allocate(1 + Long.BYTES + request.length)
                .put(EXPIRY)
                .putLong(expiresAtMicros)
                .put(request)
                .array();
    }

    /** Returns the common prefix of all {@link #expiry} keys. */
    static byte[] expiriesPrefix() {
        return new byte[] {EXPIRY};
    }

    static long expiresAtMicros(byte[] expiry) {
        return ByteBuffer.wrap(expiry).getLong(1);
    }

    /**
     * Returns the key at the end of an {@link #expiry} or {@link #lifetime} entry: the key of the request whose answer
     * expires, or the key in {@code latest} whose lifetime ends.
     */
    static byte[] expiring(byte[] expiry) {
        return Arrays.copyOfRange(expiry, 1 + Long.BYTES, expiry.length);
    }

    static byte[] answered(Answered answered) {
        byte[] content = utf8(answered.content());
        List<Long> versions = answered.committed().versions();
        ByteBuffer bytes = ByteBuffer.allocate(
                        3 * Long.BYTES + 2 * Integer.BYTES + content.length + versions.size() * Long.BYTES)
                .putLong(answered.expiresAtMicros())
                .putInt(content.length)
                .put(content)
                .putLong(answered.committed().revision())
                .putLong(answered.committed().committedAtMicros())
                .putInt(versions.size());
        versions.forEach(bytes::putLong);
        return bytes.array();
    }

    static Answered answered(byte[] value) {
        ByteBuffer bytes = ByteBuffer.wrap(value);
        long expiresAtMicros = bytes.getLong();
        byte[] content = new byte[bytes.getInt()];
        bytes.get(content);
        long revision = bytes.getLong();
        long committedAtMicros = bytes.getLong();
        int count = bytes.getInt();
        List<Long> versions = new ArrayList<>(count);
        for (int i = 0; i < count; i++) {
            versions.add(bytes.getLong());
        }
        return new Answered(
                text(content, 0, content.length),
                new Committed(revision, committedAtMicros, versions),
                expiresAtMicros);
    }
}
