// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tls;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.reload.FileFingerprints;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The files for TLS, each in PEM.
 *
 * @param certificate the backend's certificate, followed by its intermediates ({@code TLS_CERT})
 * @param key the private key of that certificate, without a password ({@code TLS_KEY})
 * @param clientAuthorities the authorities that sign client certificates ({@code TLS_CLIENT_CA}); empty if clients need
 *     no certificate
 */
public record TlsFiles(Path certificate, Path key, Optional<Path> clientAuthorities) {
    private static final Key<Path> TLS_CERT = Key.of(
                    "TLS_CERT",
                    Quantities::path,
                    "PEM file of the certificate and its intermediates. Not set: plain HTTP.")
            .fileName();
    private static final Key<Path> TLS_KEY = Key.of(
                    "TLS_KEY", Quantities::path, "PEM file of the private key of `TLS_CERT`.")
            .fileName();
    private static final Key<Path> TLS_CLIENT_CA = Key.of(
                    "TLS_CLIENT_CA",
                    Quantities::path,
                    "PEM file of authorities; clients must present a certificate signed by one of them.")
            .fileName();

    /** The settings of TLS, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(TLS_CERT, TLS_KEY, TLS_CLIENT_CA);

    /**
     * Returns the files that the settings name; empty for plain HTTP, or if {@code TLS_CERT} or {@code TLS_KEY} is
     * missing or invalid. Adds all problems of the settings and of the files to {@code settings}.
     */
    public static Optional<TlsFiles> read(Settings settings) {
        Optional<Path> certificate = settings.find(TLS_CERT);
        Optional<Path> key = settings.find(TLS_KEY);
        Optional<Path> authorities = settings.find(TLS_CLIENT_CA);
        boolean isCertificateGiven = settings.isGiven(TLS_CERT);
        if (isCertificateGiven != settings.isGiven(TLS_KEY)) {
            settings.problem("TLS_CERT, TLS_KEY: only one of the two is set; set both or neither");
        } else {
            settings.require(
                    authorities.isEmpty() || isCertificateGiven,
                    "TLS_CLIENT_CA: is set without TLS_CERT and TLS_KEY; no client is asked for a certificate without"
                            + " TLS. Set them too, or remove TLS_CLIENT_CA");
        }
        if (certificate.isEmpty() || key.isEmpty()) {
            return Optional.empty();
        }
        TlsFiles files = new TlsFiles(certificate.get(), key.get(), authorities);
        try {
            files.check();
        } catch (InvalidFileException e) {
            e.problems().forEach(settings::problem);
        }
        return Optional.of(files);
    }

    /**
     * Reads the certificate and its intermediates.
     *
     * @throws InvalidFileException if the file can't be used
     */
    public List<X509Certificate> chain() throws InvalidFileException {
        return certificates(TLS_CERT, certificate);
    }

    /**
     * Reads the authorities of client certificates; empty if clients need no certificate.
     *
     * @throws InvalidFileException if the file can't be used
     */
    public List<X509Certificate> authorities() throws InvalidFileException {
        return clientAuthorities.isEmpty() ? List.of() : certificates(TLS_CLIENT_CA, clientAuthorities.get());
    }

    private static List<X509Certificate> certificates(Key<Path> setting, Path file) throws InvalidFileException {
        List<String> problems = new ArrayList<>();
        List<X509Certificate> certificates =
                TlsIdentity.certificates(setting.name(), file, new FileFingerprints(), problems);
        if (!problems.isEmpty()) {
            throw new InvalidFileException(problems);
        }
        return certificates;
    }

    /**
     * Reads the files only to find their problems.
     *
     * @throws InvalidFileException with all problems
     */
    void check() throws InvalidFileException {
        TlsIdentity.read(this, new FileFingerprints());
    }
}
