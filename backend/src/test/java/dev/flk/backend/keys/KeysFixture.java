// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import dev.flk.signing.Ed25519Signer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** A keys file as somebody writes it by hand. */
public final class KeysFixture {
    private final Path directory;

    /** For the file {@code keys.json} in a directory that is there. */
    public KeysFixture(Path directory) {
        this.directory = directory;
    }

    /** Where it stands. */
    public Path file() {
        return directory.resolve("keys.json");
    }

    /** Writes it anew, with what one writes between the braces of each key. */
    public KeysFixture write(KeyText... keys) throws IOException {
        String objects = Arrays.stream(keys).map(KeyText::json).collect(Collectors.joining(",\n"));
        return writeText("{\"version\":1,\"keys\":[" + objects + "]}");
    }

    /** Writes it anew, whatever that is. */
    public KeysFixture writeText(String text) throws IOException {
        Path written = directory.resolve("keys.json.written");
        Files.writeString(written, text);
        Files.move(written, file(), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
        return this;
    }

    /** A secret beside it, for its owner alone. */
    public KeysFixture secret(String name, String secret) throws IOException {
        return secret(name, secret, "rw-------");
    }

    /** The same with other permissions. */
    public KeysFixture secret(String name, String secret, String permissions) throws IOException {
        Path file = Files.writeString(directory.resolve(name), secret + "\n");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
        return this;
    }

    /** A signer that is always the same for a number. */
    public static Ed25519Signer signer(int number) {
        byte[] seed = new byte[Ed25519Signer.SEED_BYTES];
        seed[0] = (byte) number;
        return new Ed25519Signer(seed);
    }

    /** A key's members, as JSON. */
    public static final class KeyText {
        private final Map<String, String> members = new LinkedHashMap<>();

        private KeyText(String id, String algorithm) {
            with("id", quoted(id)).with("algorithm", quoted(algorithm)).with("state", "\"active\"");
        }

        /** An active one for {@code shard-1}, of {@link #signer}. */
        public static KeyText ed25519(String id, int number) {
            return new KeyText(id, "ed25519")
                    .with("public_key", quoted(signer(number).publicKeyBase64()))
                    .shards("shard-1");
        }

        /** An active one for {@code shard-1}. */
        public static KeyText hmac(String id, String secretFile) {
            return new KeyText(id, "hmac")
                    .with("secret_file", quoted(secretFile))
                    .shards("shard-1");
        }

        /** With a member's JSON. */
        public KeyText with(String member, String json) {
            members.put(member, json);
            return this;
        }

        /** Without a member. */
        public KeyText without(String member) {
            members.remove(member);
            return this;
        }

        /** For these shards and no others. */
        public KeyText shards(String... names) {
            return with("shards", array(names));
        }

        /** For all that begin so, and no others. */
        public KeyText prefixes(String... prefixes) {
            return without("shards").with("shard_prefixes", array(prefixes));
        }

        /** In another state. */
        public KeyText state(String state) {
            return with("state", quoted(state));
        }

        private String json() {
            return members.entrySet().stream()
                    .map(member -> quoted(member.getKey()) + ":" + member.getValue())
                    .collect(Collectors.joining(",", "{", "}"));
        }

        private static String array(String... names) {
            List<String> all = new ArrayList<>();
            for (String name : names) {
                all.add(quoted(name));
            }
            return all.toString();
        }

        private static String quoted(String text) {
            return '"' + text + '"';
        }
    }
}
