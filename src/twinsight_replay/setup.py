from setuptools import find_packages, setup

package_name = 'twinsight_replay'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test']),
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + package_name]),
        ('share/' + package_name, ['package.xml']),
    ],
    zip_safe=True,
    maintainer='TwinSight developers',
    maintainer_email='developers@twinsight.example',
    description='Republishes stored robot data in time order and exports it as MCAP.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'replay = twinsight_replay.replay:main',
            'to_mcap = twinsight_replay.to_mcap:main',
        ],
    },
)
