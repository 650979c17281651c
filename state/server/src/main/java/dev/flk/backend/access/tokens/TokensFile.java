// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tokens;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.access.tokens.TokenHolder.Grant;
import dev.flk.canonical.Sha256;
import dev.flk.program.reload.ConfiguredFile;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.ConfiguredFile.Unusable;
import dev.flk.program.reload.FileFingerprints;
import dev.flk.state.StateException;
import dev.flk.state.StateKey;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * The file of tokens, with their rights. It contains one JSON object:
 *
 * <pre>
 * member   kind              content
 * version  number            1
 * tokens   array of objects
 *
 * members of a token:
 * name     string            1 to 64 of A-Z a-z 0-9 . _ -, unique
 * sha256   string            the SHA-256 of the token's bytes, 64 hex digits
 * read     array of strings  NAMESPACE/PREFIX: agents of the namespace whose ids have the prefix; * is any namespace
 * write    array of strings  as for read
 * </pre>
 *
 * <p>{@code read} and {@code write} are optional. Other members are rejected. Messages contain the names of tokens, but
 * repeat no other value of the file, because such a value may be a token in the wrong place. Immutable.
 */
public final class TokensFile {
    private static final int MAX_BYTES = 1 << 20;
    private static final int VERSION = 1;
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    private static final Pattern DIGEST = Pattern.compile("[0-9a-fA-F]{64}");
    private static final Set<String> MEMBERS = Set.of("name", "sha256", "read", "write");
    private static final String ANY_NAMESPACE = "*";
    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .disable(StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Map<String, TokenHolder> byDigest;

    private TokensFile(Map<String, TokenHolder> byDigest) {
        this.byDigest = Map.copyOf(byDigest);
    }

    /**
     * Reads a file.
     *
     * @throws InvalidFileException with all problems of the file
     */
    public static TokensFile read(Path file) throws InvalidFileException {
        return read(file, new FileFingerprints());
    }

    /** Adds a file to {@code fingerprints}, even if it can't be read, and then reads it. */
    static TokensFile read(Path file, FileFingerprints fingerprints) throws InvalidFileException {
        List<String> problems = new ArrayList<>();
        Map<String, TokenHolder> byDigest = new HashMap<>();
        fingerprints.add(file);
        try {
            byte[] text = ConfiguredFile.bytes(file, MAX_BYTES);
            ConfiguredFile.forbid(file, PosixFilePermission.OTHERS_WRITE, "can be written by everybody; chmod o-w it");
            readAll(MAPPER.readTree(text), byDigest, problems);
        } catch (Unusable e) {
            problems.add("it " + e.getMessage());
        } catch (JsonProcessingException e) {
            problems.add("it is not JSON, or has a duplicate member, at line %d, column %d"
                    .formatted(e.getLocation().getLineNr(), e.getLocation().getColumnNr()));
        } catch (IOException e) {
            problems.add("it is not UTF-8 text");
        }
        if (!problems.isEmpty()) {
            throw new InvalidFileException(problems);
        }
        return new TokensFile(byDigest);
    }

    private static void readAll(JsonNode file, Map<String, TokenHolder> byDigest, List<String> problems) {
        JsonNode tokens = file.path("tokens");
        if (file.path("version").asInt() != VERSION || !tokens.isArray() || file.size() != 2) {
            problems.add("it must be {\"version\": 1, \"tokens\": [...]}");
            return;
        }
        Set<String> names = new HashSet<>();
        for (int i = 0; i < tokens.size(); i++) {
            int known = problems.size();
            JsonNode token = tokens.get(i);
            String name = token.path("name").asText();
            String which = "token " + (NAME.matcher(name).matches() ? name : "number " + (i + 1)) + ": ";
            require(token.isObject(), which + "is not an object", problems);
            token.fieldNames()
                    .forEachRemaining(member -> require(
                            MEMBERS.contains(member),
                            which + "has a member other than name, sha256, read and write",
                            problems));
            require(
                    NAME.matcher(name).matches(),
                    which + "its name must be 1 to 64 of letters, digits, '.', '_' and '-'",
                    problems);
            require(names.add(name), which + "another token has this name", problems);
            String digest = token.path("sha256").asText();
            require(
                    DIGEST.matcher(digest).matches(),
                    which + "its sha256 must be 64 hex digits: printf %s TOKEN | sha256sum",
                    problems);
            List<Grant> grants = new ArrayList<>(grants(token.path("read"), true, which + "read: ", problems));
            grants.addAll(grants(token.path("write"), false, which + "write: ", problems));
            if (problems.size() == known) {
                String lower = digest.toLowerCase(Locale.ROOT);
                boolean isNew = byDigest.putIfAbsent(lower, new TokenHolder(name, lower, grants)) == null;
                require(isNew, which + "another token has this sha256", problems);
            }
        }
    }

    private static List<Grant> grants(JsonNode scopes, boolean reads, String which, List<String> problems) {
        List<Grant> grants = new ArrayList<>();
        if (scopes.isMissingNode()) {
            return grants;
        }
        require(scopes.isArray(), which + "is not an array", problems);
        for (JsonNode scope : scopes) {
            String text = scope.asText();
            int slash = text.indexOf('/');
            String namespace = text.substring(0, Math.max(0, slash));
            boolean isScope = scope.isTextual() && (namespace.equals(ANY_NAMESPACE) || isNamespace(namespace));
            require(
                    isScope,
                    which + "each must be NAMESPACE/PREFIX, like default/planner- or default/ for all of its agents",
                    problems);
            grants.add(new Grant(
                    namespace.equals(ANY_NAMESPACE) ? "" : namespace, text.substring(slash + 1), reads, !reads));
        }
        return grants;
    }

    private static boolean isNamespace(String text) {
        try {
            StateKey.requireNamespace(text);
            return true;
        } catch (StateException e) {
            return false;
        }
    }

    private static void require(boolean holds, String problem, List<String> problems) {
        if (!holds && !problems.contains(problem)) {
            problems.add(problem);
        }
    }

    /** Returns the holder of a token; empty if the token is not in the file. */
    Optional<TokenHolder> holder(String token) {
        byte[] digest = Sha256.of(token.getBytes(StandardCharsets.UTF_8));
        return Optional.ofNullable(byDigest.get(HexFormat.of().formatHex(digest)));
    }

    /** Returns whether a token is in the file with the same name and rights. */
    boolean has(TokenHolder holder) {
        return holder.equals(byDigest.get(holder.tokenSha256()));
    }

    /** Returns the number of tokens. */
    int size() {
        return byDigest.size();
    }
}
