// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeyState;
import dev.flk.backend.keys.KeysEditor;
import dev.flk.signing.Ed25519Signer;
import dev.flk.signing.SigningAlgorithm;
import java.io.IOException;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code keys add}: a new key, in a new file if need be. */
@Command(
        name = "add",
        description = {
            "Adds an active key. For ed25519 give its public key, for hmac the name of the",
            "file with its secret; or have it generated. No secret is ever printed.",
            ""
        },
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class KeysAddCommand implements Callable<Integer> {
    private static final int KEY_BYTES = 32;

    @Mixin
    private final KeysSource source;

    @Parameters(paramLabel = "KEY", description = "Its id: 1 to 32 of A-Z a-z 0-9 . _ : -.")
    private String id = "";

    @Option(names = "--alg", paramLabel = "ALG", description = "ed25519 (the preset) or hmac.")
    private String algorithm = SigningAlgorithm.ED25519.configName();

    @Option(names = "--public-key", paramLabel = "BASE64", description = "Of an ed25519 key.")
    private @Nullable String publicKey;

    @Option(
            names = "--secret-file",
            paramLabel = "NAME",
            description = "Of an hmac key, relative to the directory of the keys file.")
    private @Nullable String secretFile;

    @Option(
            names = "--generate",
            description =
                    "Makes the key. For ed25519 the private half goes to KEY.agent.properties beside the keys file,"
                            + " settings for the agent; for hmac the secret goes to KEY.secret.")
    private boolean generate;

    @Option(
            names = "--private-key-to",
            paramLabel = "FILE",
            description = "With --generate: another file for the private half.")
    private @Nullable Path privateKeyTo;

    @Option(names = "--shard", paramLabel = "SHARD", description = "A shard that it may sign for. May be repeated.")
    private List<String> shards = new ArrayList<>();

    @Option(
            names = "--shard-prefix",
            paramLabel = "PREFIX",
            description = "All shards that begin so; '' is every shard. May be repeated.")
    private List<String> prefixes = new ArrayList<>();

    @Option(names = "--valid-from", paramLabel = "INSTANT", description = "Like 2026-11-20T10:00:00Z.")
    private @Nullable String validFrom;

    @Option(names = "--valid-until", paramLabel = "INSTANT", description = "From then on it may not sign.")
    private @Nullable String validUntil;

    @Option(
            names = "--rate",
            paramLabel = "N",
            description = "Certificates a second that it is meant for; kept, no more.")
    private @Nullable BigDecimal rate;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    private final AuditedCommands audit;

    KeysAddCommand(KeysSource source, AuditedCommands audit) {
        this.source = source;
        this.audit = audit;
    }

    @Override
    public Integer call() throws IOException {
        SigningAlgorithm chosen = checkUsage();
        KeysEditor editor = new KeysEditor(source.path());
        List<Path> written = new ArrayList<>();
        try {
            source.edit(editor, keys -> with(keys, editor, chosen, written));
        } catch (IOException | RuntimeException e) {
            for (Path file : written) {
                Files.deleteIfExists(file); // of no use without its entry
            }
            throw e;
        }
        audit.done(
                "key_added",
                null,
                spec.commandLine().getErr(),
                "key",
                id,
                "algorithm",
                chosen.configName(),
                "shards",
                String.join(", ", shards),
                "shard_prefixes",
                String.join(", ", prefixes),
                "file",
                source.path().toString());
        PrintWriter out = spec.commandLine().getOut();
        out.println("key " + id + " is active");
        for (Path file : written) {
            out.println(
                    chosen == SigningAlgorithm.HMAC
                            ? "its secret is in " + file + ", for the agent's PCS_HMAC_KEY_FILE, too"
                            : "its private half is in " + file + ": take it to the agent, and leave no copy here");
        }
        out.flush();
        return ExitCode.OK;
    }

    private SigningAlgorithm checkUsage() {
        if (!KeysEditor.isId(id)) {
            throw wrong(
                    "KEY: an id is 1 to 32 of A-Z a-z 0-9 . _ : - beginning with a letter or digit, other than none");
        }
        boolean hmac = algorithm.equals(SigningAlgorithm.HMAC.configName());
        if (!hmac && !algorithm.equals(SigningAlgorithm.ED25519.configName())) {
            throw wrong("--alg: '" + algorithm + "' is none of ed25519, hmac");
        }
        boolean given = hmac ? secretFile != null : publicKey != null;
        boolean misplaced = hmac ? publicKey != null : secretFile != null;
        if (misplaced || given == generate) {
            throw wrong(
                    hmac
                            ? "an hmac key needs --secret-file or --generate, one of the two, and no --public-key"
                            : "an ed25519 key needs --public-key or --generate, one of the two, and no --secret-file");
        }
        if (privateKeyTo != null && (hmac || !generate)) {
            throw wrong("--private-key-to goes with --generate and ed25519");
        }
        if (shards.isEmpty() && prefixes.isEmpty()) {
            throw wrong("say for which shards it may sign, with --shard or --shard-prefix");
        }
        return hmac ? SigningAlgorithm.HMAC : SigningAlgorithm.ED25519;
    }

    private List<KeyEntry> with(List<KeyEntry> keys, KeysEditor editor, SigningAlgorithm chosen, List<Path> written)
            throws IOException {
        if (keys.stream().anyMatch(key -> key.id().equals(id))) {
            throw new IOException("there is a key " + id + " already; an id is never used again, choose another");
        }
        String pub = publicKey;
        String secret = secretFile;
        if (generate && chosen == SigningAlgorithm.HMAC) {
            secret = id + ".secret";
            Path file = editor.besideKeys(secret);
            writeNew(file, () -> editor.writeSecret(file, random() + "\n"), written);
        } else if (generate) {
            String seed = random();
            pub = Ed25519Signer.ofBase64(seed).publicKeyBase64();
            Path file = privateKeyTo == null ? editor.besideKeys(id + ".agent.properties") : privateKeyTo;
            String text = "PCS_SIGN_ALG=ed25519\nPCS_ED25519_PRIV_B64=" + seed + "\n";
            writeNew(file, () -> editor.writePrivate(file, text), written);
        }
        List<KeyEntry> more = new ArrayList<>(keys);
        more.add(new KeyEntry(
                id,
                chosen,
                pub,
                secret,
                shards,
                prefixes,
                instant("--valid-from", validFrom),
                instant("--valid-until", validUntil),
                KeyState.ACTIVE,
                rate));
        return more;
    }

    /** Something that writes a file. */
    @FunctionalInterface
    private interface Writing {
        void run() throws IOException;
    }

    private static void writeNew(Path file, Writing writing, List<Path> written) throws IOException {
        try {
            writing.run();
        } catch (FileAlreadyExistsException e) {
            throw new IOException(file + " is there already; move it away, or choose another id", e);
        }
        written.add(file);
    }

    private static String random() {
        byte[] key = new byte[KEY_BYTES];
        new SecureRandom().nextBytes(key);
        return Base64.getEncoder().encodeToString(key);
    }

    private @Nullable Instant instant(String option, @Nullable String text) {
        try {
            return text == null ? null : Instant.parse(text);
        } catch (DateTimeException e) {
            throw wrong(option + ": '" + text + "' is no instant; write it like 2026-11-20T10:00:00Z");
        }
    }

    private ParameterException wrong(String what) {
        return new ParameterException(spec.commandLine(), what);
    }
}
