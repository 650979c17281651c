// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.Base64;
import java.util.List;

/**
 * A key with a certificate that it signed itself, for a day.
 *
 * @param certificateFile in PEM
 * @param keyFile in PEM
 */
record SelfSigned(Certificate certificate, Path certificateFile, Path keyFile) {
    private static final String PASSWORD = "changeit";

    private static final String ALIAS = "server";

    /**
     * Made by the JDK's keytool.
     *
     * @param names as {@code dns:localhost,ip:127.0.0.1}
     * @param directory for its files; is made
     */
    static SelfSigned forNames(String names, Path directory)
            throws IOException, InterruptedException, GeneralSecurityException {
        return forNames(names, directory, 1);
    }

    /** The same for some days. */
    static SelfSigned forNames(String names, Path directory, int days)
            throws IOException, InterruptedException, GeneralSecurityException {
        Path made = Files.createDirectories(directory).resolve("made.p12");
        Process keytool = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "keytool")
                                .toString(),
                        "-genkeypair",
                        "-alias",
                        ALIAS,
                        "-keyalg",
                        "EC",
                        "-groupname",
                        "secp256r1",
                        "-dname",
                        "CN=" + directory.getFileName(),
                        "-ext",
                        "san=" + names,
                        "-validity",
                        Integer.toString(days),
                        "-storetype",
                        "PKCS12",
                        "-keystore",
                        made.toString(),
                        "-storepass",
                        PASSWORD))
                .redirectErrorStream(true)
                .start();
        String told = new String(keytool.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (keytool.waitFor() != 0) {
            throw new AssertionError("keytool: " + told);
        }
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream file = Files.newInputStream(made)) {
            store.load(file, PASSWORD.toCharArray());
        }
        Certificate certificate = store.getCertificate(ALIAS);
        SelfSigned result =
                new SelfSigned(certificate, directory.resolve("certificate.pem"), directory.resolve("key.pem"));
        writePem(result.certificateFile, "CERTIFICATE", certificate.getEncoded());
        writePem(
                result.keyFile,
                "PRIVATE KEY",
                store.getKey(ALIAS, PASSWORD.toCharArray()).getEncoded());
        return result;
    }

    /** The options of a JVM that trusts these and no others, as docs/redis.md has them. */
    static String trusting(Path storeFile, SelfSigned... trusted) throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        for (SelfSigned one : trusted) {
            store.setCertificateEntry("trusted-" + store.size(), one.certificate);
        }
        try (OutputStream file = Files.newOutputStream(storeFile)) {
            store.store(file, PASSWORD.toCharArray());
        }
        return "-Djavax.net.ssl.trustStore=" + storeFile + " -Djavax.net.ssl.trustStorePassword=" + PASSWORD;
    }

    /** The options of a JVM that shows it, as docs/redis.md has them. */
    String shownByJvm() {
        return "-Djavax.net.ssl.keyStore=" + certificateFile.resolveSibling("made.p12")
                + " -Djavax.net.ssl.keyStorePassword=" + PASSWORD;
    }

    private static void writePem(Path file, String kind, byte[] bytes) throws IOException {
        String body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(bytes);
        Files.writeString(file, "-----BEGIN " + kind + "-----\n" + body + "\n-----END " + kind + "-----\n");
    }
}
