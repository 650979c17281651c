// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.look;

import dev.flk.backend.access.keys.KeyEntry;
import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.health.CertificateExpiry;
import dev.flk.program.health.Finding;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** What the command {@code health} says about keys and certificates of TLS. */
public final class AccessLook {
    private static final String KEYS = "keys";
    /** The remaining lifetime below which a key is reported, as for TLS certificates. */
    private static final Duration KEY_ENDS_SOON = Duration.ofDays(21);

    private AccessLook() {}

    /** Says whether keys may sign, and which end soon. */
    public static void keys(SigningConfig signing, InstantSource clock, Consumer<Finding> found) {
        if (signing instanceof SigningConfig.Off) {
            found.accept(Finding.doubtful(KEYS, "PCS_SIGN_ALG=none: signatures are not checked"));
        } else if (signing instanceof SigningConfig.Simple simple) {
            found.accept(Finding.good(
                    KEYS, ErrorMessages.count(simple.check().keyIds().size(), "key") + " in the settings"));
        } else if (signing instanceof SigningConfig.Registered registered) {
            keysFile(registered.file(), registered.read().entries(), clock, found);
        }
    }

    private static void keysFile(Path file, List<KeyEntry> entries, InstantSource clock, Consumer<Finding> found) {
        long now = clock.millis();
        List<KeyEntry> usable = entries.stream()
                .filter(key -> key.state() != KeyState.REVOKED && !key.isEarly(now) && !key.isLate(now))
                .toList();
        found.accept(
                usable.isEmpty()
                        ? Finding.bad(
                                KEYS,
                                file + " has no key that may sign now, so no certificate is accepted; "
                                        + "flk-backend keys list says why")
                        : Finding.good(
                                KEYS,
                                usable.size() + " of " + ErrorMessages.count(entries.size(), "key") + " in " + file
                                        + " may sign"));
        String ending = usable.stream()
                .filter(key -> key.isLate(now + KEY_ENDS_SOON.toMillis()))
                .map(key -> key.id() + " on " + key.validUntil())
                .collect(Collectors.joining(", "));
        if (!ending.isEmpty()) {
            found.accept(Finding.doubtful(
                    KEYS, "these expire soon: " + ending + "; give their agents new keys, see docs/keys.md"));
        }
    }

    /** Says when the certificates of TLS end. */
    public static void tls(TlsFiles files, InstantSource clock, Consumer<Finding> found) throws Exception {
        found.accept(CertificateExpiry.ofChain("TLS_CERT " + files.certificate(), files.chain(), clock.instant()));
        if (files.clientAuthorities().isPresent()) {
            found.accept(CertificateExpiry.ofAuthorities(
                    "TLS_CLIENT_CA " + files.clientAuthorities().get(), files.authorities(), clock.instant()));
        }
    }
}
