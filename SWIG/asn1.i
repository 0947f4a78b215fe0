/* asn1 */
