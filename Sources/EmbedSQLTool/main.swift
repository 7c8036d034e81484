import Crypto
print(SHA256.hash(data: [UInt8]()))
