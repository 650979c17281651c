// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.tls;

import dev.flk.backend.files.FileFingerprints;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The files for TLS, each in PEM.
 *
 * @param certificate the backend's certificate, followed by its intermediates ({@code TLS_CERT})
 * @param key the private key of that certificate, without a password ({@code TLS_KEY})
 * @param clientAuthorities the authorities of client certificates ({@code TLS_CLIENT_CA}); empty if clients present none
 */
public record TlsFiles(Path certificate, Path key, Optional<Path> clientAuthorities) {
    /**
     * Reads the files only to find their problems.
     *
     * @throws InvalidTlsException with all problems
     */
    public void check() throws InvalidTlsException {
        TlsIdentity.read(this, new FileFingerprints());
    }

    /** Reports TLS files that can't be used, with all their problems. */
    public static final class InvalidTlsException extends Exception {
        private static final long serialVersionUID = 1;

        private final transient List<String> problems;

        InvalidTlsException(List<String> problems) {
            super(String.join("; ", problems));
            this.problems = List.copyOf(problems);
        }

        /** Returns the problems, each beginning with the setting and the file; none contains a key. */
        public List<String> problems() {
            return problems;
        }
    }
}
