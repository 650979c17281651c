// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;

/**
 * The Merkle tree hash of RFC 6962, section 2.1: a leaf is {@code SHA-256(0x00 ‖ data)}, a node
 * {@code SHA-256(0x01 ‖ left ‖ right)}, the left subtree holds the largest power of two of leaves below their number.
 */
final class MerkleTree {
    private static final byte LEAF = 0;
    private static final byte NODE = 1;

    private MerkleTree() {}

    /** The root over the leaves' data in this order, as 64 lower-case hex digits. */
    static String root(List<byte[]> leaves) {
        MessageDigest sha256 = sha256();
        return HexFormat.of().formatHex(leaves.isEmpty() ? sha256.digest() : hash(leaves, sha256));
    }

    private static byte[] hash(List<byte[]> leaves, MessageDigest sha256) {
        if (leaves.size() == 1) {
            sha256.update(LEAF);
            return sha256.digest(leaves.get(0));
        }
        int left = Integer.highestOneBit(leaves.size() - 1);
        byte[] leftHash = hash(leaves.subList(0, left), sha256);
        byte[] rightHash = hash(leaves.subList(left, leaves.size()), sha256);
        sha256.update(NODE);
        sha256.update(leftHash);
        return sha256.digest(rightHash);
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
